"""Three nodes: who leads, who does not, who coordinates; moves, elections, and what is said when a node is gone."""
from differential.groups import join
from differential.settings import alter
from differential.topics import BROKER, DELETE, SET, create, metadata, topic
from raw_produce import batch, record

NODES = (1, 2, 3)


def placed(b, name, *replicas, configs=None):
    """A topic on these nodes, the first of each partition leads it; every node knows of it and all replicas are in sync."""
    answer = b.ask("CreateTopics", 7, create(topic(name, -1, -1, configs, list(enumerate(replicas)))))
    assert answer["Topics"][0]["ErrorCode"] == 0, answer
    answer = known(b, name, lambda partition: sorted(partition["IsrNodes"]) == sorted(replicas[partition["PartitionIndex"]]) and partition["LeaderId"] == replicas[partition["PartitionIndex"]][0])
    b.general(answer)
    for partition, row in enumerate(replicas):  # metadata may be known before the log is
        asked = {"ReplicaId": -1, "Topics": [{"Name": name, "Partitions": [{"PartitionIndex": partition, "CurrentLeaderEpoch": -1, "Timestamp": -1}]}]}
        b.until(lambda a: a["Topics"][0]["Partitions"][0]["ErrorCode"] == 0, "ListOffsets", 5, asked, connection=f"node {row[0]}")
    return answer["Topics"][0]["TopicId"]


def known(b, name, condition, nodes=NODES):
    """Until these nodes say so of every partition."""
    for node in nodes:
        answer = b.until(lambda a: a["Topics"][0]["ErrorCode"] == 0 and a["Topics"][0]["Partitions"] and all(condition(p) for p in a["Topics"][0]["Partitions"]), "Metadata", 12, metadata([name]),
                         connection=f"node {node}")
    return answer


def leading(b):
    identity = placed(b, "led", [1, 2], [2, 3])
    data = batch([record(0)], now=b.now_ms)
    for node in NODES:
        on = {"connection": f"node {node}"}
        for version in range(b.lowest("Metadata"), b.highest("Metadata") + 1):
            b.call(f"from {node}", "Metadata", version, metadata(["led"]), **on)
        for version in (3, 9, 10, 12, 13):
            which = {"TopicId": identity} if version >= 13 else {"Name": "led"}
            for partition in (0, 1):
                for acks in (1, -1):
                    b.call(f"to {partition} on {node}, acks {acks}", "Produce", version, {"Acks": acks, "TimeoutMs": 30000, "TopicData": [{**which, "PartitionData": [{"Index": partition, "Records": data}]}]}, **on)
        for version in range(b.lowest("ListOffsets"), b.highest("ListOffsets") + 1):
            for timestamp in (-2, 0):
                b.call(f"{timestamp} of {node}", "ListOffsets", version, {"ReplicaId": -1, "TimeoutMs": 10000, "Topics": [{"Name": "led", "Partitions": [
                    {"PartitionIndex": p, "CurrentLeaderEpoch": -1, "Timestamp": timestamp} for p in (0, 1)]}]}, **on)
        for version in range(b.lowest("Fetch"), b.highest("Fetch") + 1):
            which = {"TopicId": identity} if version >= 13 else {"Topic": "led"}
            for epoch in (-1, 0, 5) if version >= 9 else (-1,):
                for partition in (0, 1):
                    if version >= 11 and node != partition + 1:
                        continue  # a follower may answer, and what it has by now is a matter of luck
                    b.call(f"{partition} from {node}, epoch {epoch}", "Fetch", version, {"MaxWaitMs": 1, "MinBytes": 1, "MaxBytes": 1000, "SessionEpoch": -1, "Topics": [{**which, "Partitions": [
                        {"Partition": partition, "FetchOffset": 0, "PartitionMaxBytes": 1000, "CurrentLeaderEpoch": epoch, "LogStartOffset": -1}]}]}, **on)
            if node == 3:
                b.call("from one that has no replica", "Fetch", version, {"MaxWaitMs": 1, "MinBytes": 1, "MaxBytes": 1000, "SessionEpoch": -1, "Topics": [{**which, "Partitions": [
                    {"Partition": 0, "FetchOffset": 0, "PartitionMaxBytes": 1000, "CurrentLeaderEpoch": -1, "LogStartOffset": -1}]}]}, **on)
        for version in range(b.lowest("OffsetForLeaderEpoch"), b.highest("OffsetForLeaderEpoch") + 1):
            b.call(f"of {node}", "OffsetForLeaderEpoch", version, {"ReplicaId": -1, "Topics": [{"Topic": "led", "Partitions": [{"Partition": p, "CurrentLeaderEpoch": -1, "LeaderEpoch": 0} for p in (0, 1)]}]}, **on)
        for version in range(b.lowest("DeleteRecords"), b.highest("DeleteRecords") + 1):
            b.call(f"of {node}", "DeleteRecords", version, {"TimeoutMs": 10000, "Topics": [{"Name": "led", "Partitions": [{"PartitionIndex": p, "Offset": 0} for p in (0, 1)]}]}, **on)
        b.call(f"of {node}", "DescribeProducers", 0, {"Topics": [{"Name": "led", "PartitionIndexes": [0, 1]}]}, **on)
        b.call(f"of {node}", "DescribeTopicPartitions", 0, {"Topics": [{"Name": "led"}]}, **on)


def coordinating(b):
    coordinated_group = b.until(lambda a: a["Coordinators"][0]["ErrorCode"] == 0, "FindCoordinator", 4, {"KeyType": 0, "CoordinatorKeys": ["somewhere"]})
    node = coordinated_group["Coordinators"][0]["NodeId"]
    b.until(lambda a: a["Groups"][0]["ErrorCode"] not in (14, 15, 16), "DescribeGroups", 5, {"Groups": ["somewhere"]}, connection=f"node {node}")
    on = {"connection": f"node {node % 3 + 1}"}
    member = {"GroupId": "somewhere", "GenerationId": 1, "MemberId": "m"}
    for api, values in (("JoinGroup", join("somewhere")), ("SyncGroup", {**member, "ProtocolType": "consumer", "ProtocolName": "range"}), ("Heartbeat", member), ("DescribeGroups", {"Groups": ["somewhere"]}),
                        ("DeleteGroups", {"GroupsNames": ["somewhere"]}), ("OffsetDelete", {"GroupId": "somewhere"}), ("ConsumerGroupDescribe", {"GroupIds": ["somewhere"]}),
                        ("ConsumerGroupHeartbeat", {"GroupId": "somewhere", "MemberId": "m", "MemberEpoch": 0, "RebalanceTimeoutMs": 1000, "SubscribedTopicNames": ["led"], "TopicPartitions": []})):
        for version in range(b.lowest(api), b.highest(api) + 1):
            b.call("of another", api, version, values, **on)
    for version in range(2, 10):
        b.call("of another", "OffsetCommit", version, {"GroupId": "somewhere", "GenerationIdOrMemberEpoch": -1, "Topics": [{"Name": "led", "Partitions": [{"PartitionIndex": 0, "CommittedOffset": 1}]}]}, **on)
        values = {"GroupId": "somewhere", "Topics": [{"Name": "led", "PartitionIndexes": [0]}]}
        b.call("of another", "OffsetFetch", version, values if version < 8 else {"Groups": [values]}, **on)


def moving(b):
    placed(b, "moved", [1, 2], [2, 1], [3, 1])

    def move(*rows, **more):
        return {"TimeoutMs": 30000, "Topics": [{"Name": "moved", "Partitions": [{"PartitionIndex": i, "Replicas": r} for i, r in rows]}], **more}
    for version in (0, 1):
        for name, rows in {"twice the same": [(0, [1, 1])], "unknown": [(0, [1, 4])], "none": [(0, [])], "cancel": [(0, None)]}.items():
            b.call(name, "AlterPartitionReassignments", version, move(*rows))
        if version:
            b.call("fewer, the factor stays", "AlterPartitionReassignments", 1, move((0, [1]), AllowReplicationFactorChange=False))
            b.call("more, the factor stays", "AlterPartitionReassignments", 1, move((1, [2, 1, 3]), AllowReplicationFactorChange=False))
    b.call("another first", "AlterPartitionReassignments", 1, move((0, [3, 2]), (1, [1, 3]), (2, [3, 2])))
    where = {0: [3, 2], 1: [1, 3], 2: [3, 2]}
    known(b, "moved", lambda p: p["ReplicaNodes"] == where[p["PartitionIndex"]] and sorted(p["IsrNodes"]) == sorted(where[p["PartitionIndex"]]))
    b.until(lambda a: not a["Topics"], "ListPartitionReassignments", 0, {"TimeoutMs": 30000, "Topics": None})
    b.call("moved", "Metadata", 12, metadata(["moved"]))
    b.call("moved", "DescribeTopicPartitions", 0, {"Topics": [{"Name": "moved"}]})
    for kind in (0, 1):
        b.call(f"elected, kind {kind}", "ElectLeaders", 2, {"ElectionType": kind, "TopicPartitions": [{"Topic": "moved", "Partitions": [0, 1, 2]}], "TimeoutMs": 30000})
    known(b, "moved", lambda p: p["LeaderId"] == where[p["PartitionIndex"]][0])
    b.call("elected", "Metadata", 12, metadata(["moved"]))
    for name, rows in {"good": [[1, 2, 3]], "others": [[2, 3]], "two": [[1, 2], [2, 3]], "unequal": [[1, 2], [3]], "unknown": [[1, 4]], "twice": [[2, 2]]}.items():
        b.call(f"grown, {name}", "CreatePartitions", 3, {"Topics": [{"Name": "moved", "Count": 3 + len(rows), "Assignments": [{"BrokerIds": x} for x in rows]}], "TimeoutMs": 30000, "ValidateOnly": True})
        b.call(f"made, {name}", "CreateTopics", 7, create(topic("not-made", -1, -1, None, list(enumerate(rows))), validate=True))
    for replicas in (1, 2, 3, 4):
        b.call(f"made with {replicas} replicas", "CreateTopics", 5, create(topic("not-made", 2, replicas), validate=True))


def describing(b):
    """In pieces: a limit of partitions, and cursors into and between topics; and the cluster, told by each node."""
    placed(b, "pieces", [1, 2], [2, 3], [3, 1])
    placed(b, "rest", [2, 1], [3, 2])
    both = [{"Name": "pieces"}, {"Name": "rest"}]
    for node in NODES:
        on = {"connection": f"node {node}"}
        for limit in (-1, 0, 1, 2, 3, 4, 5, 6):
            for topic_name, partition in ((None, 0), ("pieces", 0), ("pieces", 2), ("pieces", 3), ("q", 0), ("rest", 1), ("rest", 2), ("z", 0)):
                cursor = topic_name and {"TopicName": topic_name, "PartitionIndex": partition}
                b.call(f"{limit} from {topic_name} {partition} of {node}", "DescribeTopicPartitions", 0, {"Topics": both, "ResponsePartitionLimit": limit, "Cursor": cursor}, **on)
        for version in range(b.lowest("DescribeCluster"), b.highest("DescribeCluster") + 1):
            b.call(f"of {node}", "DescribeCluster", version, **on)


def near(b):
    """A client that says where it is: sent to the follower in its rack, which answers as far as it knows records to be committed (KIP-392)."""
    identity = placed(b, "near", [1, 2], [2, 3], [3, 1])
    data = batch([record(i) for i in range(3)], now=b.now_ms)

    def ask(version, partition, rack, offset, epoch=-1, last=-1, isolation=0):
        which = {"TopicId": identity} if version >= 13 else {"Topic": "near"}
        return {"MaxWaitMs": 1, "MinBytes": 1, "MaxBytes": 1000, "SessionEpoch": -1, "RackId": rack, "IsolationLevel": isolation, "Topics": [{**which, "Partitions": [
            {"Partition": partition, "FetchOffset": offset, "PartitionMaxBytes": 1000, "CurrentLeaderEpoch": epoch, "LastFetchedEpoch": last, "LogStartOffset": -1}]}]}
    for partition in range(3):
        for _ in range(2):
            values = {"Acks": -1, "TimeoutMs": 30000, "TopicData": [{"TopicId": identity, "PartitionData": [{"Index": partition, "Records": data}]}]}
            b.until(lambda a: a["Responses"][0]["PartitionResponses"][0]["ErrorCode"] == 0, "Produce", 13, values, connection=f"node {partition + 1}")
        follower = (partition + 1) % 3 + 1
        b.until(lambda a: a["Responses"] and a["Responses"][0]["Partitions"][0]["HighWatermark"] == 6, "Fetch", 13, ask(13, partition, "", 0), connection=f"node {follower}")
    for version in range(11, b.highest("Fetch") + 1):
        for partition in range(3):
            for node in (partition + 1, (partition + 1) % 3 + 1):
                for rack in ("", "a", "b", "c", "z"):
                    for offset in (0, 3, 6):
                        b.call(f"{partition} from {node} in {rack!r} at {offset}", "Fetch", version, ask(version, partition, rack, offset), connection=f"node {node}")
                for offset in (-1, 7, 100):
                    b.call(f"{partition} from {node} in b at {offset}", "Fetch", version, ask(version, partition, "b", offset), connection=f"node {node}")
                for epoch in (0, 1, 5):
                    b.call(f"{partition} from {node} in b, epoch {epoch}", "Fetch", version, ask(version, partition, "b", 0, epoch), connection=f"node {node}")
                b.call(f"{partition} from {node} in b, committed", "Fetch", version, ask(version, partition, "b", 0, isolation=1), connection=f"node {node}")
    for partition in range(3):
        follower = (partition + 1) % 3 + 1
        cut = {"TimeoutMs": 10000, "Topics": [{"Name": "near", "Partitions": [{"PartitionIndex": partition, "Offset": 3}]}]}
        b.call("the beginning cut off", "DeleteRecords", 2, cut, connection=f"node {partition + 1}")
        b.until(lambda a: a["Responses"][0]["Partitions"][0]["ErrorCode"] == 1, "Fetch", 13, ask(13, partition, "", 0), connection=f"node {follower}")
        for node in (partition + 1, follower):
            for rack in ("", "abc"[follower - 1]):
                for offset in (0, 2, 3):
                    b.call(f"{partition} cut from {node} in {rack!r} at {offset}", "Fetch", 16, ask(16, partition, rack, offset), connection=f"node {node}")


def quorum(b):
    """Which of the nodes leads the quorum, and in which epoch, is a matter of luck with Kafka."""
    api = "DescribeQuorum"
    for node in NODES:
        for version in range(b.lowest(api), b.highest(api) + 1):
            for name, partitions in {"the log": [0], "partition 1": [1], "two": [0, 1], "none": []}.items():
                asked = {"Topics": [{"TopicName": "__cluster_metadata", "Partitions": [{"PartitionIndex": p} for p in partitions]}]}
                answer = b.ask(api, version, asked, connection=f"node {node}")
                for row in (p for t in answer["Topics"] for p in t["Partitions"] if p["ErrorCode"] == 0):
                    assert row["LeaderId"] in NODES and row["LeaderEpoch"] > 0, row
                    row["LeaderId"], row["LeaderEpoch"] = "<a node>", "<an epoch>"
                b.write_down(f"{name}, of {node}", api, version, answer)


def directories(b):
    """What each node has of a topic."""
    placed(b, "stored", [1, 2], [2, 3])
    for node in NODES:
        on = {"connection": f"node {node}"}
        for version in range(b.lowest("DescribeLogDirs"), b.highest("DescribeLogDirs") + 1):
            for name, rows in {"both": [0, 1], "the first": [0], "none": [], "unknown": [7]}.items():
                b.call(f"{name}, of {node}", "DescribeLogDirs", version, {"Topics": [{"Topic": "stored", "Partitions": rows}]}, **on)


def configuring(b):
    """Settings of one broker, and of all: who alters them, where they come from, and which cannot be altered."""
    api = "IncrementalAlterConfigs"
    good = [("message.max.bytes", "2000000"), ("background.threads", "11"), ("min.insync.replicas", "2"), ("compression.type", "gzip"), ("log.retention.bytes", "77"), ("unclean.leader.election.enable", "true")]
    bad = [("node.id", "9"), ("num.partitions", "7"), ("auto.create.topics.enable", "false"), ("offsets.topic.num.partitions", "9"), ("message.max.bytes", "-1"), ("background.threads", "many"), ("compression.type", "x")]
    for node in NODES:
        on = {"connection": f"node {node}"}
        for broker in ("", "1", "2", "3", "4", "-1", "x"):
            for key, value in good + bad:
                b.call(f"{key}={value} of {broker!r}, asked of {node}", api, 1, alter(BROKER, broker, (key, SET, value)), **on)
            b.call(f"deleted of {broker!r}, asked of {node}", api, 1, alter(BROKER, broker, ("background.threads", DELETE, None)), **on)
            b.call(f"described {broker!r} by {node}", "DescribeConfigs", 4, described(broker), **on)
    for node, broker, key, value in ((1, "", "message.max.bytes", "2000000"), (2, "2", "background.threads", "11"), (3, "", "background.threads", "12"), (3, "3", "background.threads", "13")):
        b.call(f"{key}={value} of {broker!r}, for good", api, 1, alter(BROKER, broker, (key, SET, value), validate=False), connection=f"node {node}")
    for node in NODES:
        on = {"connection": f"node {node}"}
        threads = {1: "12", 2: "11", 3: "13"}[node]
        b.until(lambda a: {"background.threads": threads, "message.max.bytes": "2000000"}.items() <= {c["Name"]: c["Value"] for c in a["Results"][0]["Configs"]}.items(), "DescribeConfigs", 4, described(str(node)), **on)
        b.until(lambda a: any(c["Name"] == "background.threads" and c["Value"] == "12" for c in a["Results"][0]["Configs"]), "DescribeConfigs", 4, described(""), **on)
        for broker in ("", "1", "2", "3"):
            for synonyms in (False, True):
                for version in range(b.lowest("DescribeConfigs"), b.highest("DescribeConfigs") + 1):
                    b.call(f"as altered, {broker!r} by {node}", "DescribeConfigs", version, {**described(broker), "IncludeSynonyms": synonyms}, **on)
    b.call("back", api, 1, alter(BROKER, "", ("background.threads", DELETE, None), ("message.max.bytes", DELETE, None), validate=False))


def described(broker):
    return {"Resources": [{"ResourceType": BROKER, "ResourceName": broker, "ConfigurationKeys": ["message.max.bytes", "background.threads", "min.insync.replicas", "compression.type", "node.id"]}], "IncludeSynonyms": True}


def losing(b):
    """Node 3 is stopped: last, as it does not come back."""
    placed(b, "safe", [1, 2, 3], [3, 1, 2], configs={"min.insync.replicas": "3"})
    placed(b, "only", [3])
    placed(b, "spare", [1, 2, 3], [2, 3, 1], configs={"min.insync.replicas": "2"})
    b.stop(3)
    left = (1, 2)
    for name in ("safe", "spare"):
        known(b, name, lambda p: 3 not in p["IsrNodes"] and p["LeaderId"] in left, left)
    for node in left:
        b.until(lambda a: len(a["Brokers"]) == 2 and a["Topics"][0]["Partitions"][0]["LeaderId"] == -1, "Metadata", 12, metadata(["only"]), connection=f"node {node}")
    data = batch([record(0)], now=b.now_ms)
    for version in range(b.lowest("Metadata"), b.highest("Metadata") + 1):
        b.call("without 3", "Metadata", version, metadata(["safe", "only", "spare"]))
    b.call("without 3", "DescribeTopicPartitions", 0, {"Topics": [{"Name": n} for n in ("safe", "only", "spare")]})
    for node in left:
        on = {"connection": f"node {node}"}
        b.until(lambda a: [r["IsFenced"] for r in sorted(a["Brokers"], key=lambda r: r["BrokerId"])] == [False, False, True], "DescribeCluster", 2, {"IncludeFencedBrokers": True}, **on)
        for version in range(b.lowest("DescribeCluster"), b.highest("DescribeCluster") + 1):
            for operations in (False, True):
                more = {"IncludeClusterAuthorizedOperations": operations}
                b.call(f"without 3, told by {node}", "DescribeCluster", version, more, **on)
                if version >= 2:
                    b.call(f"without 3, told by {node}, fenced", "DescribeCluster", version, {**more, "IncludeFencedBrokers": True}, **on)
        for version in range(b.lowest("DescribeLogDirs"), b.highest("DescribeLogDirs") + 1):
            b.call(f"without 3, told by {node}", "DescribeLogDirs", version, {"Topics": [{"Topic": t, "Partitions": [0, 1]} for t in ("safe", "only", "spare")]}, **on)
        for rack in ("", "c", "b"):
            b.call(f"in {rack!r} without 3, from {node}", "Fetch", 12, {"MaxWaitMs": 1, "MinBytes": 1, "MaxBytes": 1000, "SessionEpoch": -1, "RackId": rack, "Topics": [{"Topic": "spare", "Partitions": [
                {"Partition": 0, "FetchOffset": 0, "PartitionMaxBytes": 1000, "CurrentLeaderEpoch": -1, "LastFetchedEpoch": -1, "LogStartOffset": -1}]}]}, **on)
    for version in (3, 8, 9, 12):
        for name, acks in (("safe", -1), ("safe", 1), ("safe", 0), ("spare", -1), ("only", -1), ("only", 1)):
            if acks:
                b.call(f"{name}, acks {acks}", "Produce", version, {"Acks": acks, "TimeoutMs": 5000, "TopicData": [{"Name": name, "PartitionData": [{"Index": 0, "Records": data}]}]})
    for version in range(b.lowest("ListOffsets"), b.highest("ListOffsets") + 1):
        b.call("only", "ListOffsets", version, {"ReplicaId": -1, "Topics": [{"Name": "only", "Partitions": [{"PartitionIndex": 0, "CurrentLeaderEpoch": -1, "Timestamp": -1}]}]})
    for kind in (0, 1):
        b.call(f"kind {kind}", "ElectLeaders", 2, {"ElectionType": kind, "TopicPartitions": [{"Topic": n, "Partitions": [0]} for n in ("safe", "only", "spare")], "TimeoutMs": 30000})
    b.call("back to 3", "AlterPartitionReassignments", 1, {"TimeoutMs": 30000, "Topics": [{"Name": "spare", "Partitions": [{"PartitionIndex": 0, "Replicas": [3, 1, 2]}]}]})
    for replicas in (2, 3):
        b.call(f"made with {replicas} replicas", "CreateTopics", 7, create(topic("not-made", 1, replicas), validate=True))
    b.call("made on 3", "CreateTopics", 7, create(topic("not-made", -1, -1, None, [(0, [3, 1])]), validate=True))


STORY = [leading, coordinating, moving, describing, near, quorum, directories, configuring, losing]
