"""Settings of topics, groups and client metrics: every name with every kind of value, and what the settings are afterwards."""
from differential.topics import APPEND, CLIENT_METRICS, DELETE, GROUP, SET, SUBTRACT, TOPIC, create, made, topic

VALUES = ["", "x", "-2", "-1", "0", "1", "2", "100", "1.5", "-0.1", "true", "False", "2147483647", "2147483648", "9223372036854775807", "9223372036854775808", "1e3", "+5", "0x10", "compact", "delete", "delete,delete",
          "LogAppendTime", "gzip", "none", "1:2", "*"]
NAMES = ("cleanup.policy compression.gzip.level compression.lz4.level compression.type compression.zstd.level delete.retention.ms file.delete.delay.ms flush.messages flush.ms "
         "follower.replication.throttled.replicas index.interval.bytes leader.replication.throttled.replicas local.retention.bytes local.retention.ms max.compaction.lag.ms max.message.bytes "
         "message.timestamp.after.max.ms message.timestamp.before.max.ms message.timestamp.type min.cleanable.dirty.ratio min.compaction.lag.ms min.insync.replicas preallocate remote.storage.enable "
         "retention.bytes retention.ms segment.bytes segment.index.bytes segment.jitter.ms segment.ms unclean.leader.election.enable").split()
GROUP_NAMES = "consumer.session.timeout.ms consumer.heartbeat.interval.ms".split()
METRICS_NAMES = "interval.ms metrics match".split()


def alter(kind, name, *rows, validate=True):
    return {"Resources": [{"ResourceType": kind, "ResourceName": name, "Configs": [{"Name": k, "ConfigOperation": o, "Value": v} for k, o, v in rows]}], "ValidateOnly": validate}


def creating(b):
    for name in NAMES:
        for value in VALUES:
            b.call(f"{name}={value}", "CreateTopics", 7, create(topic("of-settings", 1, 1, {name: value}), validate=True))


def altering(b):
    made(b, "settings", 1)
    for kind, resource, names in ((TOPIC, "settings", NAMES), (GROUP, "a-group", GROUP_NAMES), (CLIENT_METRICS, "m", METRICS_NAMES)):
        for name in names:
            for value in VALUES:
                b.call(f"{kind} {name}={value}", "IncrementalAlterConfigs", 1, alter(kind, resource, (name, SET, value)))
            for operation, value in ((DELETE, None), (APPEND, "delete"), (SUBTRACT, "delete"), (APPEND, None), (SUBTRACT, None), (APPEND, "1")):
                b.call(f"{kind} {name}: {operation} {value}", "IncrementalAlterConfigs", 1, alter(kind, resource, (name, operation, value)))


def together(b):
    """Settings that depend on each other."""
    for rows in ({"min.compaction.lag.ms": "10", "max.compaction.lag.ms": "10"}, {"max.compaction.lag.ms": "0"}, {"local.retention.ms": "10", "retention.ms": "5"}, {"local.retention.bytes": "10", "retention.bytes": "5"},
                 {"segment.ms": "10", "segment.jitter.ms": "20"}, {"cleanup.policy": "compact", "remote.storage.enable": "true"}, {"retention.ms": "10", "local.retention.ms": "-2"}, {"segment.bytes": "1048576"},
                 {"cleanup.policy": "compact", "min.cleanable.dirty.ratio": "1.0"}, {"message.timestamp.type": "LogAppendTime", "message.timestamp.after.max.ms": "0"}):
        b.call(f"{rows}", "CreateTopics", 7, create(topic("of-settings", 1, 1, rows), validate=True))


STORY = [creating, altering, together]
