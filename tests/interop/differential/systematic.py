"""Every API, every version, every field, every value that the field's type makes interesting: one good request for each API, and in each further request one field of it is
changed.  Where that gives few requests, two fields are changed at a time.

What the fields are is read from Kafka's own definitions, so that a new version or field is played without a change here.  The order is that of `BASES`: what describes comes
before what alters it, since a broker of Kafka learns a while later what its controller has stored.
"""
import itertools
import uuid

from differential.groups import SESSION_MS, coordinated, protocols
from differential.logs import written
from differential.topics import UNKNOWN_ID, made
from differential.transactions import begun, found
from differential.wire import NUMBERS, within

FEW = 120          # an API with fewer requests than this gets pairs, up to so many
TOPIC, TXN, GROUP, MEMBER = "systematic", "systematic-txn", "systematic-group", "systematic-member"
TEXTS = ["", "x", TOPIC, GROUP, "a b", "ü", ".", "*", "x" * 300, None]
BYTES = [b"", b"\0", b"x" * 300, None]
LIMITS = {"int8": 7, "int16": 15, "uint16": 16, "int32": 31, "uint32": 32, "int64": 63}
# fields whose values would make the request wait, or stop the node
KEPT = {"TimeoutMs", "timeoutMs", "MaxWaitMs", "RebalanceTimeoutMs", "SessionTimeoutMs"}
# the good one is what the broker gave, which another broker may not have given
INSTEAD = {"ProducerId": [-1, -2, (1 << 62), (1 << 63) - 1, -1 << 63]}
# more values for requests that are little more than one field
MORE = {"Mechanism": ["PLAIN", "plain", "SCRAM-SHA-256", "SCRAM-SHA-512", "SCRAM-SHA-1", "GSSAPI", "OAUTHBEARER", "ANONYMOUS", "EXTERNAL", " PLAIN", "PLAIN ", "PLAIN,GSSAPI"] + [f"X-{i}" for i in range(40)],
        "BrokerId": [2, 3, 5, 99, 1000, 1001, 32767, 32768, 65535, 65536] + [1 << i for i in range(1, 31)] + [-1 << i for i in range(31)] + [(1 << i) - 1 for i in range(3, 31)],
        "Feature": ["metadata.version", "group.version", "transaction.version", "kraft.version"], "StateFilters": ["Empty", "Ongoing", "PrepareCommit", "CompleteAbort", "Dead", "empty"],
        "StatesFilter": ["Dead", "dead", " Dead", "Dead,Dead", "NotReady", "-", "0", "null"], "TypesFilter": ["classic", "Classic", "consumer", "share", "streams"],
        "Name": ["retention.ms", "ann"], "EndpointType": list(range(-9, 30)), "AuthBytes": [b"x" * i for i in range(1, 40)], "Hmac": [b"x" * i for i in range(1, 10)], "Path": ["/", "relative", "/no/such/directory"]}


def values_of(kind, name, current):
    """What a field of this type may be changed to."""
    if name in INSTEAD:
        values = INSTEAD[name]
    elif kind == "bool":
        values = [False, True]
    elif kind == "float64":
        values = [0.0, -1.0, 0.5, 1e300, float("inf"), float("nan")]
    elif kind in NUMBERS:
        edge = 1 << LIMITS[kind]
        signed = not kind.startswith("u")
        values = [0, 1, 2, 3, 5, 99, edge - 1] + ([-1, -2, -edge] if signed else [])
    elif kind == "uuid":
        values = [uuid.UUID(int=0), uuid.UUID(int=1), UNKNOWN_ID]
    else:
        values = TEXTS if kind == "string" else BYTES
    more = [v for v in MORE.get(name, ()) if isinstance(v, str) == (kind == "string")]
    return [v for v in (*values, *more) if v is not current and v != current]


def changes(message, fields, version, values, path=()):
    """(path to the field, its new value) for each change."""
    for field in fields:
        name, kind = field["name"], field["type"]
        if not within(field.get("versions"), version) or name in KEPT:
            continue
        here, current = (*path, name), values.get(name)
        if kind.startswith("[]"):
            inner = kind[2:]
            yield from ((here, v) for v in ([], None) if v != current)
            if inner in message.structs:
                if current:
                    yield here, [*current, current[0]]
                    yield from changes(message, message.structs[inner], version, current[0], (*here, 0))
            else:
                some = values_of(inner, name, None)
                yield from ((here, [v]) for v in some)
                yield from ((here, [v, (current or [some[0]])[0]]) for v in some[:4])
        elif kind in message.structs:
            yield here, None
            yield from changes(message, message.structs[kind], version, current or {}, here)
        else:
            yield from ((here, v) for v in values_of(kind, name, values.get(name, message._default(field, version))))


def changed(values, path, value):
    """A copy in which the field at `path` has this value."""
    if not path:
        return value
    if isinstance(values, list):
        return [changed(v, path[1:], value) if i == path[0] else v for i, v in enumerate(values)]
    return {**(values or {}), path[0]: changed((values or {}).get(path[0]), path[1:], value)}


def told(path, value):
    if not path:
        return f"{value}"[:60]
    text = "its first row twice" if isinstance(value, list) and isinstance(value[-1] if value else None, dict) else f"{value}"
    return f"{'.'.join(map(str, path))}={text if len(text) < 60 else f'{text[:9]}...{len(text)}'}"


def known(message, fields, version, values):
    """Of `values`, what this version knows: one base serves all versions."""
    rows = {}
    for field in fields:
        name, kind = field["name"], field["type"]
        if name in values and within(field.get("versions"), version):
            value, inner = values[name], kind.removeprefix("[]")
            if inner in message.structs and value:
                value = [known(message, message.structs[inner], version, v) for v in value] if isinstance(value, list) else known(message, message.structs[inner], version, value)
            rows[name] = value
    return rows


def requests(message, base):
    """(name, version, values), the good one first in every version."""
    versions = range(message.low, message.high + 1)
    rows, good = [], {v: known(message, message.fields, v, base) for v in versions}
    single = {v: list(changes(message, message.fields, v, good[v])) for v in versions}
    for version in versions:
        rows.append(("as it should be", version, good[version]))
        rows += [(told(path, value), version, changed(good[version], path, value)) for path, value in single[version]]
    version = message.high
    pairs = [(a, b) for a, b in itertools.combinations(single[version], 2) if a[0] != b[0][:len(a[0])] and b[0] != a[0][:len(b[0])]]
    for a, b in some_of(pairs, FEW - len(rows)):
        rows.append((f"{told(*a)}, {told(*b)}", version, changed(changed(good[version], *a), *b)))
    for path, one, other in some_of(list(doubles(message, message.fields, version, good[version])), FEW - len(rows)):
        rows.append((f"{told(path, one)} and {told((), other)}", version, changed(good[version], path, [one, other])))
    return rows


def some_of(rows, count):
    """So many of them, from all over."""
    return rows[::max(1, len(rows) // count)] if count > 0 else []


def doubles(message, fields, version, values):
    """(path to an array of the request itself, a row, another row)"""
    for field in fields:
        inner = field["type"].removeprefix("[]")
        if inner == field["type"] or not within(field.get("versions"), version):
            continue
        row = (values.get(field["name"]) or [{}])[0]
        some = [changed(row, *a) for a in changes(message, message.structs[inner], version, row)] if inner in message.structs else values_of(inner, field["name"], None)
        yield from (((field["name"],), one, other) for one, other in itertools.product(some, some))


def makes_topics(name, version):
    """Metadata before v4 makes each topic that it asks for."""
    return "AllowAutoTopicCreation=True" in name or version < 4 and "Name=" in name


def tells_of_all_groups(name, version):
    """Those of other stories as well, whose members may run out of time any moment: a story of its own lists them."""
    return version < 4 or "StatesFilter=[]" in name or "StatesFilter=None" in name or any(state in name.lower() for state in ("empty", "stable", "assigning", "reconciling", "preparing"))


def play(b, api, base, skip=lambda name, version: False, **options):
    for name, version, values in requests(b.messages.requests[api], base):
        if not skip(name, version):
            b.call(name, api, version, values, **options)


def warm(b):
    """Whatever text stands for a group or a transaction: its coordinator is there."""
    for text in TEXTS:
        if text:
            coordinated(b, text)
            found(b, text)


def looking(b):
    """What changes nothing."""
    identity = made(b, TOPIC, 2)
    written(b, TOPIC, pid=1 << 40, epoch=3, sequence=0)
    warm(b)
    play(b, "DescribeProducers", {"Topics": [{"Name": TOPIC, "PartitionIndexes": [0, 1]}]})
    play(b, "DescribeTopicPartitions", {"Topics": [{"Name": TOPIC}], "Cursor": {"TopicName": TOPIC, "PartitionIndex": 1}})
    play(b, "DescribeCluster", {"IncludeClusterAuthorizedOperations": False, "EndpointType": 1, "IncludeFencedBrokers": False})
    play(b, "DescribeQuorum", {"Topics": [{"TopicName": "__cluster_metadata", "Partitions": [{"PartitionIndex": 0}]}]})
    play(b, "DescribeLogDirs", {"Topics": [{"Topic": TOPIC, "Partitions": [0]}]}, skip=lambda name, version: name == "Topics=None")  # all: other stories' too, with what is compacted
    play(b, "DescribeUserScramCredentials", {"Users": [{"Name": "nobody"}]})
    play(b, "DescribeDelegationToken", {"Owners": [{"PrincipalType": "User", "PrincipalName": "ann"}]})
    play(b, "DescribeAcls", {"ResourceTypeFilter": 2, "ResourceNameFilter": TOPIC, "PatternTypeFilter": 3, "PrincipalFilter": "User:ann", "HostFilter": "*", "Operation": 3, "PermissionType": 3})
    play(b, "DescribeClientQuotas", {"Components": [{"EntityType": "user", "MatchType": 0, "Match": "ann"}], "Strict": False})
    play(b, "DescribeTransactions", {"TransactionalIds": [TXN]})
    play(b, "DescribeConfigs", {"Resources": [{"ResourceType": 2, "ResourceName": TOPIC, "ConfigurationKeys": ["retention.ms"]}]})
    play(b, "DescribeGroups", {"Groups": ["x"]})
    play(b, "ConsumerGroupDescribe", {"GroupIds": ["x"]})
    play(b, "ListConfigResources", {"ResourceTypes": [2]})
    play(b, "ListGroups", {"StatesFilter": ["Dead"], "TypesFilter": ["classic"]}, skip=tells_of_all_groups)
    play(b, "ListTransactions", {"StateFilters": ["Dead"], "ProducerIdFilters": [5]})
    play(b, "ListPartitionReassignments", {"Topics": [{"Name": TOPIC, "PartitionIndexes": [0]}]})
    play(b, "OffsetForLeaderEpoch", {"ReplicaId": -1, "Topics": [{"Topic": TOPIC, "Partitions": [{"Partition": 0, "CurrentLeaderEpoch": 0, "LeaderEpoch": 0}]}]})
    play(b, "ListOffsets", {"ReplicaId": -1, "TimeoutMs": 1000, "Topics": [{"Name": TOPIC, "Partitions": [{"PartitionIndex": 0, "CurrentLeaderEpoch": 0, "Timestamp": -1}]}]})
    play(b, "FindCoordinator", {"Key": "x", "CoordinatorKeys": ["x"]})
    play(b, "Metadata", {"Topics": [{"Name": TOPIC}], "AllowAutoTopicCreation": False}, skip=makes_topics)
    return identity


def altering(b):
    """What alters, as far as it is let; most is only validated."""
    made(b, "moving", 2)
    ann = [{"EntityType": "user", "EntityName": "ann"}]
    play(b, "AlterClientQuotas", {"Entries": [{"Entity": ann, "Ops": [{"Key": "producer_byte_rate", "Value": 1000.0}]}], "ValidateOnly": True})
    play(b, "AlterConfigs", {"Resources": [{"ResourceType": 2, "ResourceName": "moving", "Configs": [{"Name": "retention.ms", "Value": "5000"}]}], "ValidateOnly": True},
         skip=lambda name, version: "Resources=its" in name)  # a resource that is named twice: Kafka never answers, its code that counts the errors throws
    play(b, "IncrementalAlterConfigs", {"Resources": [{"ResourceType": 2, "ResourceName": "moving", "Configs": [{"Name": "retention.ms", "ConfigOperation": 0, "Value": "5000"}]}], "ValidateOnly": True})
    play(b, "AlterPartitionReassignments", {"TimeoutMs": 30000, "Topics": [{"Name": "moving", "Partitions": [{"PartitionIndex": 0, "Replicas": [1]}]}]})
    play(b, "ElectLeaders", {"ElectionType": 0, "TimeoutMs": 30000, "TopicPartitions": [{"Topic": "moving", "Partitions": [0]}]})
    play(b, "CreatePartitions", {"TimeoutMs": 30000, "ValidateOnly": True, "Topics": [{"Name": "moving", "Count": 3, "Assignments": [{"BrokerIds": [1]}]}]}, skip=lambda name, version: "ValidateOnly" in name)
    play(b, "CreateTopics", {"timeoutMs": 30000, "validateOnly": True, "Topics": [{"Name": "not-made", "NumPartitions": -1, "ReplicationFactor": -1, "Assignments": [{"PartitionIndex": 0, "BrokerIds": [1]}],
                                                                                  "Configs": [{"Name": "retention.ms", "Value": "5000"}]}]}, skip=lambda name, version: "validateOnly" in name)
    play(b, "UpdateFeatures", {"timeoutMs": 30000, "ValidateOnly": True, "FeatureUpdates": [{"Feature": "group.version", "MaxVersionLevel": 1, "UpgradeType": 1}]}, skip=lambda name, version: "ValidateOnly" in name)
    play(b, "CreateAcls", {"Creations": [{"ResourceType": 2, "ResourceName": "t", "ResourcePatternType": 3, "Principal": "User:ann", "Host": "*", "Operation": 3, "PermissionType": 3}]})
    play(b, "DeleteAcls", {"Filters": [{"ResourceTypeFilter": 2, "ResourceNameFilter": "t", "PatternTypeFilter": 3, "PrincipalFilter": "User:ann", "HostFilter": "*", "Operation": 3, "PermissionType": 3}]})
    play(b, "AlterUserScramCredentials", {"Deletions": [{"Name": "nobody", "Mechanism": 1}], "Upsertions": [{"Name": "bob", "Mechanism": 1, "Iterations": 4096, "Salt": b"salt", "SaltedPassword": b"p" * 32}]})
    play(b, "CreateDelegationToken", {"OwnerPrincipalType": "User", "OwnerPrincipalName": "ann", "Renewers": [{"PrincipalType": "User", "PrincipalName": "bob"}], "MaxLifetimeMs": 1000})
    play(b, "RenewDelegationToken", {"Hmac": b"no such token", "RenewPeriodMs": 1000})
    play(b, "ExpireDelegationToken", {"Hmac": b"no such token", "ExpiryTimePeriodMs": 1000})
    play(b, "UnregisterBroker", {"BrokerId": 9}, skip=lambda name, version: name in ("BrokerId=1", "BrokerId=0"))
    path = b.ask("DescribeLogDirs", 4, {"Topics": [{"Topic": "moving", "Partitions": [0]}]})["Results"][0]["LogDir"]
    play(b, "AlterReplicaLogDirs", {"Dirs": [{"Path": path, "Topics": [{"Name": "moving", "Partitions": [0]}]}]})
    play(b, "DeleteRecords", {"TimeoutMs": 10000, "Topics": [{"Name": "moving", "Partitions": [{"PartitionIndex": 0, "Offset": 0}]}]})
    play(b, "DeleteTopics", {"TimeoutMs": 30000, "Topics": [{"Name": "nothing"}], "TopicNames": ["nothing"]}, skip=lambda name, version: TOPIC in name)
    for api in ("SaslHandshake", "SaslAuthenticate"):
        play(b, api, {"Mechanism": "PLAIN"} if api == "SaslHandshake" else {"AuthBytes": b"\0ann\0secret"}, connection="sasl")


def grouping(b):
    """Groups; what waits for others is in a story of its own."""
    warm(b)
    coordinated(b, GROUP)
    coordinated(b, TXN)
    member = {"GroupId": GROUP, "GenerationId": 1, "MemberId": MEMBER}
    play(b, "Heartbeat", member)
    play(b, "SyncGroup", {**member, "ProtocolType": "consumer", "ProtocolName": "range", "Assignments": [{"MemberId": MEMBER, "Assignment": b"abc"}]})
    play(b, "LeaveGroup", {"GroupId": GROUP, "MemberId": MEMBER, "Members": [{"MemberId": MEMBER}]})
    play(b, "JoinGroup", {"GroupId": GROUP, "SessionTimeoutMs": SESSION_MS, "RebalanceTimeoutMs": 60000, "MemberId": MEMBER, "ProtocolType": "consumer", "Protocols": protocols("range")},
         skip=lambda name, version: "MemberId=," in name or name.endswith("MemberId="))  # a member that waits for others
    play(b, "OffsetCommit", {"GroupId": GROUP, "Topics": [{"Name": TOPIC, "Partitions": [{"PartitionIndex": 0, "CommittedOffset": 1, "CommittedMetadata": "m"}]}]})
    play(b, "OffsetFetch", {"GroupId": GROUP, "Topics": [{"Name": TOPIC, "PartitionIndexes": [0]}], "Groups": [{"GroupId": GROUP, "Topics": [{"Name": TOPIC, "PartitionIndexes": [0]}]}]})
    play(b, "OffsetDelete", {"GroupId": "x", "Topics": [{"Name": TOPIC, "Partitions": [{"PartitionIndex": 0}]}]})
    play(b, "ConsumerGroupHeartbeat", {"GroupId": "modern-x", "MemberId": "m", "MemberEpoch": 5, "RebalanceTimeoutMs": 60000, "SubscribedTopicNames": [TOPIC], "TopicPartitions": []},
         skip=lambda name, version: "MemberEpoch=0" in name)  # joins: who gets what and when is Kafka's to decide
    play(b, "DeleteGroups", {"GroupsNames": ["nothing"]})


def transacting(b):
    warm(b)
    producer = begun(b, TXN)
    mine = {"TransactionalId": TXN, "ProducerId": producer[0], "ProducerEpoch": producer[1]}
    play(b, "EndTxn", {**mine, "ProducerEpoch": producer[1] + 5, "Committed": True})
    play(b, "AddOffsetsToTxn", {**mine, "ProducerEpoch": producer[1] + 5, "GroupId": GROUP})
    play(b, "TxnOffsetCommit", {**mine, "ProducerEpoch": producer[1] + 5, "GroupId": GROUP, "Topics": [{"Name": TOPIC, "Partitions": [{"PartitionIndex": 0, "CommittedOffset": 1}]}]})


STORY = [looking, altering, grouping, transacting]
