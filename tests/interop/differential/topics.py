"""Topics: made, grown, described, deleted; their settings; the cluster."""
import uuid

ZERO = uuid.UUID(int=0)
UNKNOWN_ID = uuid.UUID(int=77)
TOPIC, BROKER, GROUP, CLIENT_METRICS, BROKER_LOGGER = 2, 4, 32, 16, 8
TIMEOUT_MS = 30000
BAD_NAMES = ["", ".", "..", "a b", "a/b", "ü", "x" * 249, "x" * 250, "a,b", "a:b", "a\n"]
SET, DELETE, APPEND, SUBTRACT = 0, 1, 2, 3


def topic(name, partitions=1, replicas=1, configs=None, assignments=None):
    return {"Name": name, "NumPartitions": partitions, "ReplicationFactor": replicas, "Assignments": [{"PartitionIndex": p, "BrokerIds": b} for p, b in assignments or []],
            "Configs": [{"Name": k, "Value": v} for k, v in (configs or {}).items()]}


def create(*topics, validate=False, timeout_ms=TIMEOUT_MS):
    return {"Topics": list(topics), "timeoutMs": timeout_ms, "validateOnly": validate}


def metadata(names, create_them=False, **more):
    return {"Topics": None if names is None else [{"Name": n} for n in names], "AllowAutoTopicCreation": create_them, **more}


def made(b, name, partitions=1, **more):
    """A topic that can be used at once; its id."""
    answer = b.ask("CreateTopics", 7, create(topic(name, partitions, **more)))
    assert answer["Topics"][0]["ErrorCode"] == 0, answer
    return led(b, name, partitions)


def led(b, name, partitions):
    answer = b.until(lambda a: a["Topics"][0]["ErrorCode"] == 0 and len(a["Topics"][0]["Partitions"]) == partitions and
                     all(p["LeaderId"] > 0 for p in a["Topics"][0]["Partitions"]), "Metadata", 12, metadata([name]))
    b.general(answer)
    asked = {"ReplicaId": -1, "Topics": [{"Name": name, "Partitions": [{"PartitionIndex": p, "CurrentLeaderEpoch": -1, "Timestamp": -1} for p in range(partitions)]}]}
    b.until(lambda a: all(p["ErrorCode"] == 0 for p in a["Topics"][0]["Partitions"]), "ListOffsets", 5, asked)
    return answer["Topics"][0]["TopicId"]


def gone(b, name):
    b.until(lambda a: a["Topics"][0]["ErrorCode"] == 3, "Metadata", 12, metadata([name]))


def api_versions(b):
    for version in range(0, 5):
        b.call("api versions", "ApiVersions", version, {"ClientSoftwareName": "a-client", "ClientSoftwareVersion": "1.0"})
    for name, number in (("", "1"), ("a", ""), ("-a", "1"), ("a b", "1"), ("a", "1/2"), ("a.b-c", "1.2-x"), ("a", "-1"), ("a_b", "1")):
        b.call(f"software {name!r} {number!r}", "ApiVersions", 3, {"ClientSoftwareName": name, "ClientSoftwareVersion": number}, connection="software")
        b.disconnect("software")
    for cluster, node in (("", -1), ("x", -1), (None, 1), (None, 5)):
        if b.highest("ApiVersions") >= 5:
            b.call(f"expected {cluster} {node}", "ApiVersions", 5, {"ClusterId": cluster, "NodeId": node, "ClientSoftwareName": "a", "ClientSoftwareVersion": "1"})


def creating(b):
    api = "CreateTopics"
    for version in range(b.lowest(api), b.highest(api) + 1):
        b.call("create", api, version, create(topic(f"made-{version}", 2, 1, {"retention.ms": "7200000"})))
        led(b, f"made-{version}", 2)
        b.call("exists", api, version, create(topic(f"made-{version}")))
        b.call("validate", api, version, create(topic(f"valid-{version}", 3), validate=True))
        b.call("exists, validate", api, version, create(topic(f"made-{version}"), validate=True))
        b.call("nothing", api, version, create())
    for version in (2, 4, 5, 7):
        for name in BAD_NAMES:
            if name != "x" * 249:
                b.call(f"name {name[:4]!r} {len(name)}", api, version, create(topic(name)))
        b.call("too many replicas", api, version, create(topic("r", 1, 4)))
        for partitions, replicas in ((0, 1), (-2, 1), (1, 0), (1, -2), (1, 32767), (-1, -1), (-1, 1), (1, -1)):
            b.call(f"{partitions} partitions, {replicas} replicas", api, version, create(topic("r", partitions, replicas), validate=True))
        assignments = {"good": [(0, [1]), (1, [1])], "hole": [(0, [1]), (2, [1])], "from one": [(1, [1])], "twice": [(0, [1]), (0, [1])], "unknown broker": [(0, [9])],
                       "negative broker": [(0, [-1])], "no broker": [(0, [])], "same broker": [(0, [1, 1])], "unequal": [(0, [1]), (1, [1, 2])], "negative": [(-1, [1])]}
        for name, rows in assignments.items():
            b.call(f"assignment, {name}", api, version, create(topic("a", -1, -1, None, rows), validate=True))
        b.call("assignment and partitions", api, version, create(topic("a", 1, -1, None, [(0, [1])]), validate=True))
        b.call("assignment and replicas", api, version, create(topic("a", -1, 1, None, [(0, [1])]), validate=True))
        b.call("the same twice", api, version, create(topic("d"), topic("d"), topic("e"), validate=True))
        for key, value in (("no.such", "1"), ("retention.ms", "x"), ("retention.ms", "-2"), ("cleanup.policy", "x"), ("cleanup.policy", "compact,delete"), ("cleanup.policy", ""),
                           ("compression.type", "lzma"), ("min.insync.replicas", "0"), ("segment.bytes", "1"), ("max.message.bytes", "-1"), ("retention.ms", None),
                           ("message.timestamp.type", "x"), ("min.cleanable.dirty.ratio", "2"), ("unclean.leader.election.enable", "maybe"), ("flush.ms", "99999999999999999999"),
                           ("compression.gzip.level", "0"), ("compression.zstd.level", "99"), ("", "1"), ("segment.ms", "0"), ("file.delete.delay.ms", "-1"),
                           ("preallocate", "TRUE"), ("index.interval.bytes", "1.5"), ("leader.replication.throttled.replicas", "a:b"), ("message.format.version", "2.0"),
                           ("retention.ms", " 5000 "), ("delete.retention.ms", "0x10"), ("remote.storage.enable", "true"), ("local.retention.ms", "5")):
            b.call(f"config {key}={value}", api, version, create(topic("c", 1, 1, {key: value}), validate=True))
        b.call("min above max lag", api, version, create(topic("c", 1, 1, {"min.compaction.lag.ms": "10", "max.compaction.lag.ms": "5"}), validate=True))
        b.call("config twice", api, version, create({**topic("c"), "Configs": [{"Name": "retention.ms", "Value": "1"}, {"Name": "retention.ms", "Value": "2"}]}, validate=True))
        b.call("names that collide", api, version, create(topic("made.2"), topic("made_2"), validate=True))
    b.call("create a.b", api, 7, create(topic("coll.ide")))
    led(b, "coll.ide", 1)
    b.call("collides", api, 7, create(topic("coll_ide")))
    b.call("internal", api, 7, create(topic("__cluster_metadata"), validate=True))
    b.call("10000 partitions", api, 7, create(topic("many", 10001), validate=True))


def growing(b):
    api = "CreatePartitions"
    made(b, "grow", 2)

    def grow(*rows, validate=False):
        return {"Topics": [{"Name": n, "Count": c, "Assignments": None if a is None else [{"BrokerIds": x} for x in a]} for n, c, a in rows],
                "TimeoutMs": TIMEOUT_MS, "ValidateOnly": validate}
    for version in range(b.lowest(api), b.highest(api) + 1):
        for count in (0, -1, 1, 2, 3):
            b.call(f"to {count}", api, version, grow(("grow", count, None), validate=True))
        for rows in ([[1]], [[1], [1]], [[2]], [[]], [[1, 1]], [], [[1, 2]], [[-1]]):
            b.call(f"to 3 on {rows}", api, version, grow(("grow", 3, rows), validate=True))
        b.call("unknown", api, version, grow(("nothing", 3, None)))
        b.call("no name", api, version, grow(("", 3, None)))
        b.call("twice", api, version, grow(("grow", 3, None), ("grow", 4, None), ("nothing", 2, None)))
        b.call("none", api, version, grow())
    b.call("grows", api, 3, grow(("grow", 4, None)))
    led(b, "grow", 4)
    b.call("grown", "Metadata", 12, metadata(["grow"]))


def looking(b):
    api = "Metadata"
    made(b, "look", 2)
    for version in range(b.lowest(api), b.highest(api) + 1):
        b.call("one", api, version, metadata(["look"]))
        if version >= 4:
            b.call("unknown", api, version, metadata(["nothing"]))
        if version >= 1:
            b.call("none", api, version, {"Topics": []})
        b.call("twice", api, version, metadata(["look", "look"]))
        for name in BAD_NAMES[:6] + BAD_NAMES[7:]:
            b.call(f"name {name[:4]!r} {len(name)}", api, version, metadata([name], create_them=True))
        if version >= 8:
            b.call("operations", api, version, metadata(["look"], IncludeTopicAuthorizedOperations=True, **({"IncludeClusterAuthorizedOperations": True} if version <= 10 else {})))
        if version >= 10:
            look = b.ask(api, 12, metadata(["look"]))["Topics"][0]["TopicId"]
            rows = {"unknown id": (UNKNOWN_ID, None), "no id": (ZERO, None), "id": (look, None), "id and name": (look, "look"), "id and other name": (look, "x"), "unknown and name": (UNKNOWN_ID, "look")}
            for name, (identity, text) in rows.items():
                if version >= 12 or text:
                    b.call(name, api, version, {"Topics": [{"TopicId": identity, "Name": text}], "AllowAutoTopicCreation": False})
            b.call("id and a name", api, version, {"Topics": [{"TopicId": look, "Name": "look"}, {"Name": "grow"}], "AllowAutoTopicCreation": False})
    b.call("without creation", api, 4, metadata(["auto-1"]))
    b.call("with creation", api, 4, metadata(["auto-1"], create_them=True))
    led(b, "auto-1", 1)
    b.call("created", api, 12, metadata(["auto-1"]))
    api = "DescribeTopicPartitions"
    for name, values in {"one": {"Topics": [{"Name": "look"}]}, "unknown": {"Topics": [{"Name": "nothing"}]}, "bad name": {"Topics": [{"Name": "a b"}]}, "no name": {"Topics": [{"Name": ""}]},
                         "two": {"Topics": [{"Name": "look"}, {"Name": "grow"}]}, "twice": {"Topics": [{"Name": "look"}, {"Name": "look"}]},
                         "limit": {"Topics": [{"Name": "grow"}], "ResponsePartitionLimit": 1}, "limit of two topics": {"Topics": [{"Name": "grow"}, {"Name": "look"}], "ResponsePartitionLimit": 5},
                         "limit 0": {"Topics": [{"Name": "grow"}], "ResponsePartitionLimit": 0}, "limit -1": {"Topics": [{"Name": "grow"}], "ResponsePartitionLimit": -1},
                         "cursor": {"Topics": [{"Name": "grow"}], "Cursor": {"TopicName": "grow", "PartitionIndex": 2}},
                         "cursor behind": {"Topics": [{"Name": "grow"}], "Cursor": {"TopicName": "grow", "PartitionIndex": 99}},
                         "cursor -1": {"Topics": [{"Name": "grow"}], "Cursor": {"TopicName": "grow", "PartitionIndex": -1}},
                         "cursor on another": {"Topics": [{"Name": "grow"}, {"Name": "look"}], "Cursor": {"TopicName": "hello", "PartitionIndex": 0}},
                         "cursor on the last": {"Topics": [{"Name": "grow"}, {"Name": "look"}], "Cursor": {"TopicName": "look", "PartitionIndex": 1}},
                         "cursor on a missing": {"Topics": [{"Name": "grow"}], "Cursor": {"TopicName": "missing", "PartitionIndex": 0}}}.items():
        b.call(name, api, 0, values)
    api = "DescribeCluster"
    for version in range(0, b.highest(api) + 1):
        b.call("cluster", api, version)
        b.call("operations", api, version, {"IncludeClusterAuthorizedOperations": True})
        if version >= 1:
            for kind in (0, 1, 2, 3):
                b.call(f"endpoints {kind}", api, version, {"EndpointType": kind})
        if version >= 2:
            b.call("fenced", api, version, {"IncludeFencedBrokers": True})


def deleting(b):
    api = "DeleteTopics"
    for version in range(b.lowest(api), b.highest(api) + 1):
        identity = made(b, f"del-{version}")

        def by_name(*names):
            return {"Topics": [{"Name": n} for n in names], "TimeoutMs": TIMEOUT_MS} if version >= 6 else {"TopicNames": list(names), "TimeoutMs": TIMEOUT_MS}
        b.call("unknown", api, version, by_name("nothing"))
        b.call("no name", api, version, by_name(""))
        b.call("bad name", api, version, by_name("a b"))
        b.call("none", api, version, by_name())
        b.call("twice", api, version, by_name("nothing", "nothing"))
        if version >= 6:
            rows = {"by unknown id": (UNKNOWN_ID, None), "no id": (ZERO, None), "id and name": (identity, f"del-{version}"), "unknown and name": (UNKNOWN_ID, "x")}
            for name, (key, text) in rows.items():
                b.call(name, api, version, {"Topics": [{"TopicId": key, "Name": text}], "TimeoutMs": TIMEOUT_MS})
            b.call("name and id of one", api, version, {"Topics": [{"TopicId": identity, "Name": None}, {"Name": f"del-{version}"}], "TimeoutMs": TIMEOUT_MS})
        b.call("one and one unknown", api, version, by_name(f"del-{version}", "nothing"))
        gone(b, f"del-{version}")
        b.call("again", api, version, by_name(f"del-{version}"))
    identity = made(b, "del-id")
    b.call("by id", api, 6, {"Topics": [{"TopicId": identity, "Name": None}], "TimeoutMs": TIMEOUT_MS})
    gone(b, "del-id")
    b.call("by id again", api, 6, {"Topics": [{"TopicId": identity, "Name": None}], "TimeoutMs": TIMEOUT_MS})


def describing_configs(b):
    api = "DescribeConfigs"
    made(b, "conf", 1, configs={"retention.ms": "7200000", "cleanup.policy": "compact,delete"})

    def describe(kind, name, keys=None, **more):
        return {"Resources": [{"ResourceType": kind, "ResourceName": name, "ConfigurationKeys": keys}], **more}
    for version in range(b.lowest(api), b.highest(api) + 1):
        b.call("topic", api, version, describe(TOPIC, "conf"))
        b.call("topic with synonyms", api, version, describe(TOPIC, "conf", IncludeSynonyms=True))
        b.call("one key", api, version, describe(TOPIC, "conf", ["retention.ms"], IncludeSynonyms=True))
        b.call("unknown key", api, version, describe(TOPIC, "conf", ["no.such", "retention.ms", "retention.ms"]))
        b.call("no keys", api, version, describe(TOPIC, "conf", []))
        for kind, name in ((TOPIC, "nothing"), (TOPIC, ""), (TOPIC, "a b"), (BROKER, "x"), (BROKER, "9"), (BROKER, "-1"), (BROKER_LOGGER, ""), (BROKER_LOGGER, "9"), (0, "x"), (3, "x"), (99, "x"),
                           (GROUP, "a-group"), (GROUP, ""), (CLIENT_METRICS, "m"), (CLIENT_METRICS, "")):
            b.call(f"{kind} {name!r}", api, version, describe(kind, name))
        b.call("broker keys", api, version, describe(BROKER, "1", ["log.retention.ms", "num.partitions", "compression.type", "log.cleaner.threads", "node.id"], IncludeSynonyms=True))
        b.call("all brokers", api, version, describe(BROKER, ""))
        b.call("the same twice", api, version, {"Resources": describe(TOPIC, "conf")["Resources"] * 2})
        b.call("none", api, version, {"Resources": []})
        if version >= 3:
            b.call("documentation", api, version, describe(TOPIC, "conf", ["cleanup.policy", "flush.ms"], IncludeDocumentation=True))


def altering_configs(b):
    api = "IncrementalAlterConfigs"

    def alter(kind, name, *rows, validate=False):
        return {"Resources": [{"ResourceType": kind, "ResourceName": name, "Configs": [{"Name": k, "ConfigOperation": o, "Value": v} for k, o, v in rows]}], "ValidateOnly": validate}
    cases = {"set": (("retention.ms", SET, "5000"),), "bad value": (("retention.ms", SET, "x"),), "null": (("retention.ms", SET, None),), "delete": (("retention.ms", DELETE, None),),
             "delete with value": (("retention.ms", DELETE, "5"),), "delete what is not set": (("flush.ms", DELETE, None),), "append": (("cleanup.policy", APPEND, "compact"),),
             "append to a number": (("retention.ms", APPEND, "5"),), "append nothing": (("cleanup.policy", APPEND, ""),), "append null": (("cleanup.policy", APPEND, None),),
             "subtract": (("cleanup.policy", SUBTRACT, "delete"),), "subtract all": (("cleanup.policy", SUBTRACT, "delete,compact"),), "subtract what is not there": (("cleanup.policy", SUBTRACT, "x"),),
             "subtract from a number": (("retention.ms", SUBTRACT, "5"),), "unknown": (("no.such", SET, "1"),), "delete unknown": (("no.such", DELETE, None),), "operation 4": (("retention.ms", 4, "1"),),
             "operation -1": (("retention.ms", -1, "1"),), "twice": (("retention.ms", SET, "1"), ("retention.ms", SET, "2")), "empty": (), "no key": (("", SET, "1"),),
             "append bad": (("cleanup.policy", APPEND, "x"),), "two": (("retention.ms", SET, "5000"), ("flush.ms", SET, "7")), "one good one bad": (("retention.ms", SET, "5000"), ("flush.ms", SET, "x")),
             "lag": (("min.compaction.lag.ms", SET, "10"), ("max.compaction.lag.ms", SET, "5")), "many min.insync": (("min.insync.replicas", SET, "3"),)}
    for version in (0, 1):
        for name, rows in cases.items():
            b.call(name + ", validate", api, version, alter(TOPIC, "conf", *rows, validate=True))
        for kind, name in ((TOPIC, "nothing"), (TOPIC, ""), (TOPIC, "a b"), (BROKER, "9"), (BROKER, "x"), (0, "x"), (3, "x"), (99, "x"), (CLIENT_METRICS, ""), (GROUP, "")):
            b.call(f"{kind} {name!r}", api, version, alter(kind, name, ("retention.ms", SET, "5000")))
        b.call("none", api, version, {"Resources": []})
        b.call("the same twice", api, version, {"Resources": alter(TOPIC, "conf", *cases["set"])["Resources"] * 2})
        for key, value in (("log.cleaner.threads", "2"), ("num.partitions", "3"), ("node.id", "3"), ("no.such", "1"), ("log.retention.ms", "x"), ("num.io.threads", "0"), ("message.max.bytes", "-1")):
            for broker in ("1", ""):
                b.call(f"broker {broker!r} {key}={value}", api, version, alter(BROKER, broker, (key, SET, value), validate=True))
        for key, value in (("consumer.session.timeout.ms", "50000"), ("consumer.session.timeout.ms", "1"), ("consumer.heartbeat.interval.ms", "999999"), ("no.such", "1"), ("consumer.session.timeout.ms", "x")):
            b.call(f"group {key}={value}", api, version, alter(GROUP, "a-group", (key, SET, value), validate=True))
        for key, value in (("interval.ms", "1000"), ("interval.ms", "1"), ("metrics", "a,b"), ("match", "client_id=x"), ("match", "foo"), ("match", "client_id=["), ("no.such", "1"), ("interval.ms", "x")):
            b.call(f"client metrics {key}={value}", api, version, alter(CLIENT_METRICS, "m", (key, SET, value), validate=True))
    for name in ("set", "append", "two", "subtract", "delete"):
        b.call(name, api, 1, alter(TOPIC, "conf", *cases[name]))
    b.until(lambda a: not any(c["Name"] == "retention.ms" and c["ConfigSource"] == 1 for c in a["Results"][0]["Configs"]), "DescribeConfigs", 4,
            {"Resources": [{"ResourceType": TOPIC, "ResourceName": "conf", "ConfigurationKeys": None}]})
    b.call("as altered", "DescribeConfigs", 4, {"Resources": [{"ResourceType": TOPIC, "ResourceName": "conf", "ConfigurationKeys": None}], "IncludeSynonyms": True})
    api = "AlterConfigs"

    def replace(kind, name, rows, validate=False):
        return {"Resources": [{"ResourceType": kind, "ResourceName": name, "Configs": [{"Name": k, "Value": v} for k, v in rows]}], "ValidateOnly": validate}
    for version in range(b.lowest(api), b.highest(api) + 1):
        for name, rows in {"one": [("retention.ms", "1000")], "none": [], "bad": [("retention.ms", "x")], "null": [("retention.ms", None)], "unknown": [("x.y", "1")],
                           "twice": [("flush.ms", "1"), ("flush.ms", "2")], "no key": [("", "1")]}.items():
            b.call(name, api, version, replace(TOPIC, "conf", rows, validate=True))
        for kind, name in ((TOPIC, "nothing"), (TOPIC, ""), (BROKER, "9"), (0, "x"), (99, "x"), (GROUP, ""), (CLIENT_METRICS, "")):
            b.call(f"{kind} {name!r}", api, version, replace(kind, name, [("retention.ms", "1")]))
        b.call("nothing", api, version, {"Resources": []})
    api = "ListConfigResources"
    b.call("list", api, 0)
    for kinds in ([], [CLIENT_METRICS], [GROUP], [BROKER], [TOPIC], [0], [99], [BROKER_LOGGER], [GROUP, GROUP]):
        b.call(f"list {kinds}", api, 1, {"ResourceTypes": kinds})


STORY = [api_versions, creating, growing, looking, describing_configs, altering_configs, deleting]
