"""Logs: written, read, looked up by time and by epoch, cut off at the front."""
import uuid

from differential.topics import UNKNOWN_ID, gone, made
from raw_produce import batch, record

FETCH_WAIT_MS = 100


def written(b, name, partition=0, records=3, now=None, **more):
    """A batch, the same for both brokers."""
    data = batch([record(i, timestamp_delta=i) for i in range(records)], now=b.now_ms - 100000 if now is None else now, **more)
    answer = b.ask("Produce", 12, {"Acks": -1, "TimeoutMs": 30000, "TopicData": [{"Name": name, "PartitionData": [{"Index": partition, "Records": data}]}]})
    assert answer["Responses"][0]["PartitionResponses"][0]["ErrorCode"] == 0, answer
    return len(data)


def listing_offsets(b):
    api = "ListOffsets"
    made(b, "times", 2)
    for i in range(5):
        written(b, "times", 0, 3, b.now_ms - 100000 + 1000 * i)

    def ask(timestamp, partition=0, epoch=-1, isolation=0, topic="times"):
        return {"ReplicaId": -1, "IsolationLevel": isolation, "TimeoutMs": 10000,
                "Topics": [{"Name": topic, "Partitions": [{"PartitionIndex": partition, "CurrentLeaderEpoch": epoch, "Timestamp": timestamp}]}]}
    for version in range(b.lowest(api), b.highest(api) + 1):
        for timestamp in (-1, -2, -3, -4, -5, -6, -7, -100):
            b.call(f"time {timestamp}", api, version, ask(timestamp))
            b.call(f"time {timestamp}, empty", api, version, ask(timestamp, 1))
        for ago in (200000, 100000, 99999, 99998, 99997, 98000, 96000, 95999, 95998, 95997, 0):
            b.call(f"{ago} ms ago", api, version, ask(b.now_ms - ago))
        b.call("time 0", api, version, ask(0))
        b.call("time of the end", api, version, ask(2**63 - 1))
        for partition in (2, -1):
            b.call(f"partition {partition}", api, version, ask(-1, partition))
        for name in ("nothing", "", "a b"):
            b.call(f"topic {name!r}", api, version, ask(-1, topic=name))
        if version >= 4:
            for epoch in (0, 1, -2, 99):
                b.call(f"epoch {epoch}", api, version, ask(-1, epoch=epoch))
        if version >= 2:
            for isolation in (1, 2, -1):
                b.call(f"isolation {isolation}", api, version, ask(-1, isolation=isolation))
        b.call("the same twice", api, version, {"ReplicaId": -1, "Topics": ask(-1)["Topics"] * 2})
        twice = ask(-1)
        twice["Topics"][0]["Partitions"] *= 2
        b.call("a partition twice", api, version, twice)
        b.call("none", api, version, {"ReplicaId": -1, "Topics": []})
        for replica in (-2, 0, 1, 7):
            b.call(f"replica {replica}", api, version, {**ask(-1), "ReplicaId": replica})


def fetching(b):
    api = "Fetch"
    identity = made(b, "read", 2)
    made(b, "empty", 1)
    size = written(b, "read")
    for _ in range(4):
        written(b, "read")
    ids = {"read": identity, "empty": made_id(b, "empty"), "nothing": UNKNOWN_ID, "": uuid.UUID(int=0)}

    def ask(version, topic="read", partition=0, offset=0, wait=FETCH_WAIT_MS, least=1, most=1 << 20, partition_most=1 << 20, epoch=-1, last=-1, isolation=0, session=0, session_epoch=-1,
            start=-1, **more):
        row = {"Partition": partition, "FetchOffset": offset, "PartitionMaxBytes": partition_most, "CurrentLeaderEpoch": epoch, "LastFetchedEpoch": last, "LogStartOffset": start}
        which = {"TopicId": ids.get(topic)} if version >= 13 else {"Topic": topic}
        return {"MaxWaitMs": wait, "MinBytes": least, "MaxBytes": most, "IsolationLevel": isolation, "SessionId": session, "SessionEpoch": session_epoch,
                "Topics": [{**which, "Partitions": [row]}] if topic is not None else [], **more}
    for version in range(b.lowest(api), b.highest(api) + 1):
        for offset in (0, 1, 3, 14, 15, 16, -1, -2, 99, 2**62):
            b.call(f"from {offset}", api, version, ask(version, offset=offset, wait=1 if offset == 15 else FETCH_WAIT_MS))
        for most in (1, size - 1, size, size + 1, 2 * size, 0, -1):
            b.call(f"{most} bytes", api, version, ask(version, most=most, wait=1))
            b.call(f"{most} bytes of the partition", api, version, ask(version, partition_most=most, wait=1))
        for least in (0, -1, size * 5, size * 50):
            b.call(f"at least {least}", api, version, ask(version, least=least, wait=1))
        for wait in (0, -1):
            b.call(f"waiting {wait} ms", api, version, ask(version, offset=15, wait=wait))
        for partition in (2, -1):
            b.call(f"partition {partition}", api, version, ask(version, partition=partition))
        for topic in ("nothing", ""):
            b.call(f"topic {topic!r}", api, version, ask(version, topic))
        b.call("empty", api, version, ask(version, "empty", wait=1))
        b.call("none", api, version, ask(version, None, wait=1))
        for isolation in (1, 2, -1):
            b.call(f"isolation {isolation}", api, version, ask(version, isolation=isolation))
        for offset in (14, 15, 16, -1):
            b.call(f"committed, from {offset}", api, version, ask(version, offset=offset, isolation=1, wait=1))
        b.call("committed, partition 2", api, version, ask(version, partition=2, isolation=1, wait=1))
        b.call("committed, topic 'nothing'", api, version, ask(version, "nothing", isolation=1, wait=1))
        if version >= 9:
            b.call("committed, epoch 99", api, version, ask(version, epoch=99, isolation=1, wait=1))
            for epoch in (0, 1, -2, 99):
                b.call(f"epoch {epoch}", api, version, ask(version, epoch=epoch))
        if version >= 12:
            b.call("committed, last epoch 0 from 16", api, version, ask(version, last=0, offset=16, epoch=0, isolation=1, wait=1))
            for last in (0, 1, -2, 99):
                for offset in (0, 15, 16):
                    b.call(f"last epoch {last} from {offset}", api, version, ask(version, last=last, offset=offset, epoch=0, wait=1))
        two = ask(version)
        two["Topics"][0]["Partitions"].append({**two["Topics"][0]["Partitions"][0], "Partition": 1})
        b.call("two partitions", api, version, two)
        two["Topics"][0]["Partitions"].append(two["Topics"][0]["Partitions"][0])
        b.call("a partition twice", api, version, two)


def made_id(b, name):
    return b.ask("Metadata", 12, {"Topics": [{"Name": name}], "AllowAutoTopicCreation": False})["Topics"][0]["TopicId"]


def sessions(b):
    api = "Fetch"
    identity = made(b, "session", 3)
    written(b, "session")

    def ask(version, partitions, session, epoch, forgotten=()):
        which = {"TopicId": identity} if version >= 13 else {"Topic": "session"}
        rows = [{"Partition": p, "FetchOffset": offset, "PartitionMaxBytes": 1 << 20, "CurrentLeaderEpoch": -1, "LogStartOffset": -1} for p, offset in partitions]
        return {"MaxWaitMs": 1, "MinBytes": 1, "MaxBytes": 1 << 20, "SessionId": session, "SessionEpoch": epoch, "Topics": [{**which, "Partitions": rows}] if rows else [],
                "ForgottenTopicsData": [{**which, "Partitions": list(forgotten)}] if forgotten else []}
    for version in (7, 11, 12, 13, 16, b.highest(api)):
        session = b.call("begin", api, version, ask(version, [(0, 0), (1, 0)], 0, 0))["SessionId"]
        b.call("the same again", api, version, ask(version, [], session, 1))
        b.call("go on", api, version, ask(version, [(0, 3)], session, 2))
        b.call("nothing new", api, version, ask(version, [], session, 3))
        b.call("add one", api, version, ask(version, [(2, 0)], session, 4))
        b.call("out of range", api, version, ask(version, [(2, 7)], session, 5))
        b.call("out of range again", api, version, ask(version, [], session, 6))
        b.call("forget two", api, version, ask(version, [], session, 7, (2, 1)))
        b.call("forget what is not there", api, version, ask(version, [], session, 8, (2, 99)))
        b.call("wrong epoch", api, version, ask(version, [], session, 20))
        b.call("old epoch", api, version, ask(version, [], session, 8))
        b.call("right epoch", api, version, ask(version, [(0, 0)], session, 9))
        b.call("unknown session", api, version, ask(version, [], 77, 1))
        b.call("no session, epoch 1", api, version, ask(version, [(0, 0)], 0, 1))
        b.call("negative epoch", api, version, ask(version, [(0, 0)], session, -2))
        again = b.call("a new one for it", api, version, ask(version, [(0, 0)], session, 0))["SessionId"]
        b.call("the old one", api, version, ask(version, [], session, 10))
        b.call("close", api, version, ask(version, [(0, 3)], again, -1))
        b.call("closed", api, version, ask(version, [], again, 1))
        b.call("empty", api, version, ask(version, [], 0, 0))


def epochs(b):
    api = "OffsetForLeaderEpoch"
    made(b, "epochs", 2)
    written(b, "epochs")

    def ask(epoch, current=-1, partition=0, topic="epochs", replica=-1):
        return {"ReplicaId": replica, "Topics": [{"Topic": topic, "Partitions": [{"Partition": partition, "CurrentLeaderEpoch": current, "LeaderEpoch": epoch}]}]}
    for version in range(b.lowest(api), b.highest(api) + 1):
        for epoch in (0, 1, 5, -1, -2):
            b.call(f"epoch {epoch}", api, version, ask(epoch))
            b.call(f"epoch {epoch}, empty", api, version, ask(epoch, partition=1))
        for current in (0, 1, -2, 99):
            b.call(f"current {current}", api, version, ask(0, current))
        for partition in (2, -1):
            b.call(f"partition {partition}", api, version, ask(0, partition=partition))
        for topic in ("nothing", "", "a b"):
            b.call(f"topic {topic!r}", api, version, ask(0, topic=topic))
        b.call("none", api, version, {"ReplicaId": -1, "Topics": []})
        for replica in (-2, 0, 7):
            b.call(f"replica {replica}", api, version, ask(0, replica=replica))


def deleting_records(b):
    api = "DeleteRecords"
    for version in range(b.lowest(api), b.highest(api) + 1):
        name = f"cut-{version}"
        made(b, name, 2)
        written(b, name)
        written(b, name)

        def ask(offset, partition=0, topic=name):
            return {"TimeoutMs": 10000, "Topics": [{"Name": topic, "Partitions": [{"PartitionIndex": partition, "Offset": offset}]}]}
        for offset in (0, 2, 1, 5, -2, 7, 99, -1, -1, 0):
            b.call(f"before {offset}", api, version, ask(offset))
        b.call("empty", api, version, ask(-1, 1))
        b.call("empty before 1", api, version, ask(1, 1))
        for partition in (2, -1):
            b.call(f"partition {partition}", api, version, ask(0, partition))
        for topic in ("nothing", "", "a b", "__consumer_offsets"):
            b.call(f"topic {topic!r}", api, version, ask(0, topic=topic))
        b.call("none", api, version, {"TimeoutMs": 1000, "Topics": []})
        b.call("what is left", "ListOffsets", 7, {"ReplicaId": -1, "Topics": [{"Name": name, "Partitions": [{"PartitionIndex": 0, "Timestamp": t, "CurrentLeaderEpoch": -1} for t in (-2,)]}]})
        b.call("before the first", "Fetch", 11, {"MaxWaitMs": 1, "MinBytes": 1, "SessionEpoch": -1, "Topics": [{"Topic": name, "Partitions": [{"Partition": 0, "FetchOffset": 0, "PartitionMaxBytes": 1000}]}]})


def producers(b):
    api = "InitProducerId"
    b.until(lambda a: a["ErrorCode"] == 0, api, 1, {"TransactionTimeoutMs": 60000, "TransactionalId": None})
    for version in range(b.lowest(api), b.highest(api) + 1):
        b.call("a new one", api, version, {"TransactionalId": None, "TransactionTimeoutMs": 60000})
        b.call("without a timeout", api, version, {"TransactionalId": None, "TransactionTimeoutMs": -1})
        b.call("empty id", api, version, {"TransactionalId": "", "TransactionTimeoutMs": 60000})
    api = "DescribeProducers"
    made(b, "produced", 2)
    written(b, "produced", pid=1 << 40, epoch=3, sequence=0)
    written(b, "produced", pid=(1 << 40) + 1, epoch=0, sequence=0)
    for name, topic, partition in (("two", "produced", 0), ("none", "produced", 1), ("partition 9", "produced", 9), ("partition -1", "produced", -1), ("unknown", "nothing", 0), ("bad name", "a b", 0)):
        b.call(name, api, 0, {"Topics": [{"Name": topic, "PartitionIndexes": [partition]}]})
    b.call("nothing", api, 0, {"Topics": []})


def produced(b):
    """Produce, for what its answers hold besides the rules of batches, which have a test of their own."""
    api = "Produce"
    identity = made(b, "wrote", 2)
    data = batch([record(0)], now=b.now_ms)
    for version in range(b.lowest(api), b.highest(api) + 1):
        def ask(rows, topic="wrote", acks=-1, transaction=None):
            which = {"TopicId": {"wrote": identity, "nothing": UNKNOWN_ID}.get(topic, uuid.UUID(int=0))} if version >= 13 else {"Name": topic}
            return {"TransactionalId": transaction, "Acks": acks, "TimeoutMs": 5000, "TopicData": [{**which, "PartitionData": [{"Index": p, "Records": r} for p, r in rows]}]}
        if version < 3:
            continue
        b.call("one", api, version, ask([(0, data)]))
        b.call("two partitions", api, version, ask([(0, data), (1, data)]))
        b.call("one of three", api, version, ask([(0, data), (9, data), (-1, data)]))
        b.call("unknown", api, version, ask([(0, data)], "nothing"))
        b.call("acks 1", api, version, ask([(0, data)], acks=1))
        b.call("acks 5", api, version, ask([(0, data)], acks=5))
        b.call("none", api, version, {"Acks": -1, "TimeoutMs": 5000, "TopicData": []})
        b.call("no partitions", api, version, ask([]))
    gone_id = made(b, "wrote-gone")
    b.ask("DeleteTopics", 6, {"Topics": [{"Name": "wrote-gone"}], "TimeoutMs": 30000})
    gone(b, "wrote-gone")
    b.call("deleted", api, 13, {"Acks": -1, "TimeoutMs": 5000, "TopicData": [{"TopicId": gone_id, "PartitionData": [{"Index": 0, "Records": data}]}]})


STORY = [listing_offsets, fetching, sessions, epochs, deleting_records, producers, produced]
