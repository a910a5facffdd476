"""What is no request, or none that can be read: sizes, headers, versions, cut and padded bodies, wrong counts, tags that nobody knows."""
import struct

from differential.groups import coordinated
from differential.topics import made
from differential.wire import Messages

# what a client may ask on a listener; the others are told by `ApiVersions`
APIS = ("Produce Fetch ListOffsets Metadata OffsetCommit OffsetFetch FindCoordinator JoinGroup Heartbeat LeaveGroup SyncGroup DescribeGroups ListGroups CreateTopics DeleteTopics DeleteRecords InitProducerId "
        "OffsetForLeaderEpoch AddPartitionsToTxn AddOffsetsToTxn EndTxn TxnOffsetCommit DescribeAcls CreateAcls DeleteAcls DescribeConfigs AlterConfigs AlterReplicaLogDirs DescribeLogDirs CreatePartitions "
        "CreateDelegationToken RenewDelegationToken ExpireDelegationToken DescribeDelegationToken DeleteGroups ElectLeaders IncrementalAlterConfigs AlterPartitionReassignments ListPartitionReassignments "
        "OffsetDelete DescribeClientQuotas AlterClientQuotas DescribeUserScramCredentials AlterUserScramCredentials DescribeQuorum UpdateFeatures DescribeCluster DescribeProducers UnregisterBroker "
        "DescribeTransactions ListTransactions ConsumerGroupHeartbeat ConsumerGroupDescribe GetTelemetrySubscriptions PushTelemetry ListConfigResources DescribeTopicPartitions SaslHandshake SaslAuthenticate").split()
FULL = {"Metadata": {"Topics": [{"Name": "t"}]}, "ListOffsets": {"ReplicaId": -1, "Topics": [{"Name": "t", "Partitions": [{"PartitionIndex": 0, "Timestamp": -1}]}]},
        "CreateTopics": {"Topics": [{"Name": "t", "NumPartitions": 1, "ReplicationFactor": 1}], "validateOnly": True}, "FindCoordinator": {"Key": "g", "CoordinatorKeys": ["g"]},
        "OffsetFetch": {"GroupId": "g", "Topics": [{"Name": "t", "PartitionIndexes": [0]}], "Groups": [{"GroupId": "g", "Topics": [{"Name": "t", "PartitionIndexes": [0]}]}]},
        "DescribeConfigs": {"Resources": [{"ResourceType": 2, "ResourceName": "t", "ConfigurationKeys": ["x"]}]}, "DescribeGroups": {"Groups": ["g"]}, "OffsetDelete": {"GroupId": "g"}}


def sizes(b):
    for size in (-1, -2**31, 2**31 - 1, 104857601):
        b.frame(f"size {size}", struct.pack(">i", size), whole=True)
    b.frame("nothing", b"")
    for size in (1, 2, 3, 4, 7, 8, 9):
        b.frame(f"{size} bytes", struct.pack(">hhih", 18, 0, 5, -1)[:size])
    b.frame("HTTP", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", whole=True)
    b.frame("TLS", bytes.fromhex("16030100a5010000a10303") + bytes(154), whole=True)
    b.frame("zeros", bytes(64), whole=True)
    b.frame("a's", b"a" * 64)


def headers(b):
    def head(key=18, version=0, correlation=5, client=b"\xff\xff"):
        return struct.pack(">hhi", key, version, correlation) + client
    for correlation in (0, -1, 2**31 - 1, -2**31):
        b.frame(f"correlation {correlation}", head(correlation=correlation))
    for name, client in {"none": b"\xff\xff", "empty": b"\0\0", "longer than the frame": b"\0\x09abc", "-2": b"\xff\xfe", "-32768": b"\x80\0", "no UTF-8": b"\0\2\xff\xfe", "missing": b"", "half": b"\0"}.items():
        b.frame(f"client id {name}", head(client=client))
    for key in (-1, 4, 5, 6, 7, 52, 53, 54, 56, 58, 59, 62, 63, 67, 70, 73, 82, 95, 1000, 32767, -32768):
        for version in (0, 1):
            b.frame(f"key {key}", head(key, version), version=version)
    for version in (5, 6, 99, -1, 32767, -32768):
        b.frame(f"ApiVersions {version}", head(18, version), version=0)
        b.frame(f"ApiVersions {version} with a body", head(18, version) + b"\0\2a\x021\0", version=0)
    for name, tags in {"none": b"\0", "one": b"\1\x63\x03abc", "one that is empty": b"\1\x63\0", "two": b"\2\x05\x01a\x63\x01b", "out of order": b"\2\x63\x01b\x05\x01a", "the same twice": b"\2\x63\x01b\x63\x01a",
                       "longer than the frame": b"\1\x63\x7fabc", "missing": b"", "count of five bytes": b"\x80\x80\x80\x80\0", "a count without an end": b"\xff\xff\xff\xff\xff\xff", "a huge count": b"\xff\xff\xff\xff\x07"}.items():
        b.frame(f"tags: {name}", head(18, 3) + tags + b"\2a\x021\0", version=3)
        b.frame(f"tags of the body: {name}", head(18, 3) + b"\0\2a\x021" + tags, version=3)
        b.frame(f"tags of Metadata: {name}", head(3, 9) + b"\0\1\0\0\0" + tags, "Metadata", 9)


def versions(b):
    for api in APIS:
        message = b.messages.requests[api]
        for version in (message.low - 1, message.high + 1, 99, -1):
            flexible = message.flexible(version)
            closest = min(max(version, message.low), message.high)
            b.frame("a version that there is not", Messages.header(message.key, version, 5, "c", flexible) + message.encode(closest, {}), api, version)


def cuts(b):
    made(b, "t")
    coordinated(b, "g")
    for api in APIS:
        message = b.messages.requests[api]
        for version in b.some(api):
            if api == "Produce" and version < 3:
                continue
            body = message.encode(version, {})
            head = Messages.header(message.key, version, 5, "c", message.flexible(version))
            for size in sorted({0, 1, len(body) // 2, len(body) - 1}):
                if 0 <= size < len(body):
                    b.frame(f"cut to {size} of {len(body)}", head + body[:size], api, version)
            if message.flexible(version):
                b.frame("no tags of the header", head[:-1], api, version)
    for api, values in FULL.items():
        for version in b.some(api):
            whole = b"".join(b.messages.request(api, version, {k: v for k, v in values.items() if any(f["name"] == k for f in b.messages.requests[api].fields)}, 5, "c"))
            for size in range(len(whole) - 1, 10, -3):
                b.frame(f"cut to {size}", whole[:size], api, version)
            for extra in (b"\0", b"\0" * 8, b"\xff\xff\xff\xff"):
                b.frame(f"with {len(extra)} more {extra[0]}", whole + extra, api, version)


def counts(b):
    """The same field of a few requests, with numbers that it cannot have."""
    def plain(key, version, *parts):
        return struct.pack(">hhihc", key, version, 5, 1, b"c") + b"".join(parts)
    numbers = (-1, -2, -2**31, 2, 1000, 1 << 20, 2**31 - 1)
    for number in numbers:
        count = struct.pack(">i", number)
        b.frame(f"{number} topics", plain(3, 1, count, b"\0\1t"), "Metadata", 1)
        b.frame(f"{number} topics", plain(3, 0, count, b"\0\1t"), "Metadata", 0)
        b.frame(f"{number} topics", plain(2, 1, b"\xff\xff\xff\xff", count, b"\0\1t\0\0\0\0"), "ListOffsets", 1)
        b.frame(f"{number} partitions", plain(2, 1, b"\xff\xff\xff\xff", b"\0\0\0\1\0\1t", count), "ListOffsets", 1)
        b.frame(f"{number} groups", plain(15, 0, count, b"\0\1g"), "DescribeGroups", 0)
        b.frame(f"{number} resources", plain(32, 1, count, b"\2\0\1t\xff\xff\xff\xff\0"), "DescribeConfigs", 1)
        b.frame(f"{number} keys", plain(32, 1, b"\0\0\0\1\2\0\1t", count, b"\0"), "DescribeConfigs", 1)
        if number >= 0:  # Kafka takes the others for null, and never answers that
            b.frame(f"{number} bytes of records", plain(0, 3, b"\xff\xff\xff\xff\0\0\0\1\0\0\0\1\0\1t\0\0\0\1\0\0\0\0", count), "Produce", 3)
        b.frame(f"{number} bytes of an assignment", plain(14, 0, b"\0\1g\0\0\0\1\0\1m\0\0\0\1\0\1m", count), "SyncGroup", 0)
    for number in (-1, -2, -32768, 2, 100, 32767):
        count = struct.pack(">h", number)
        b.frame(f"a name of {number}", plain(3, 1, b"\0\0\0\1", count, b"t"), "Metadata", 1)
        b.frame(f"a key of {number}", plain(10, 0, count, b"g"), "FindCoordinator", 0)
        b.frame(f"a group of {number}", plain(15, 0, b"\0\0\0\1", count, b"g"), "DescribeGroups", 0)
    for name, count in {"null": b"\0", "empty": b"\1", "2": b"\3", "100": b"\x65", "2^31-2": b"\xff\xff\xff\xff\x07", "2^32-2": b"\xff\xff\xff\xff\x0f", "six bytes": b"\xff\xff\xff\xff\xff\x0f", "ten bytes": b"\xff" * 9 + b"\1",
                        "long for 1": b"\x82\x80\x00"}.items():
        b.frame(f"{name} topics", plain(3, 9, b"\0", count, b"\2t\0\0\0\0\0"), "Metadata", 9)
        b.frame(f"a name of {name}", plain(3, 9, b"\0\2", count, b"t\0\0\0\0\0"), "Metadata", 9)
        b.frame(f"{name} keys", plain(10, 4, b"\0\0", count, b"\2g\0"), "FindCoordinator", 4)
        b.frame(f"a software's name of {name}", plain(18, 3, b"\0", count, b"a\x021\0"), "ApiVersions", 3)
    for value in (2, 127, 128, 255):
        b.frame(f"a truth of {value}", plain(3, 4, b"\0\0\0\0", bytes([value])), "Metadata", 4)
    for name in (b"\xff\xfe", b"\xc3", b"\0", b"\xed\xa0\x80", b"\xf0\x9f\x98\x80"):
        b.frame(f"a name of {name.hex()}", plain(3, 4, b"\0\0\0\1", struct.pack(">h", len(name)), name, b"\0"), "Metadata", 4)


STORY = [sizes, headers, versions, cuts, counts]
