"""Transactions: producer ids, what comes into a transaction, how it ends, who is fenced, what tools see of it."""
from differential.groups import coordinated
from differential.topics import led, made
from raw_produce import batch, record

TIMEOUT_MS = 600000  # of transactions that are not to run out of it
STABLE, BUMPING = 4, 5  # EndTxn's versions: the epoch stays, or rises with each transaction (KIP-890)


def init(transaction, timeout_ms=TIMEOUT_MS, producer=(-1, -1)):
    return {"TransactionalId": transaction, "TransactionTimeoutMs": timeout_ms, "ProducerId": producer[0], "ProducerEpoch": producer[1]}


def add(transaction, producer, *topics, version=3, verify=False):
    """Partitions by topic; a request of its own kind from v4 on, which brokers send."""
    rows = [{"Name": name, "Partitions": list(partitions)} for name, partitions in topics]
    if version < 4:
        return {"V3AndBelowTransactionalId": transaction, "V3AndBelowProducerId": producer[0], "V3AndBelowProducerEpoch": producer[1], "V3AndBelowTopics": rows}
    return {"Transactions": [{"TransactionalId": transaction, "ProducerId": producer[0], "ProducerEpoch": producer[1], "VerifyOnly": verify, "Topics": rows}]}


def add_group(transaction, producer, group):
    return {"TransactionalId": transaction, "ProducerId": producer[0], "ProducerEpoch": producer[1], "GroupId": group}


def end(transaction, producer, commit=True):
    return {"TransactionalId": transaction, "ProducerId": producer[0], "ProducerEpoch": producer[1], "Committed": commit}


def commit_offsets(transaction, producer, group, rows, topic="in-txn", **more):
    return {"TransactionalId": transaction, "GroupId": group, "ProducerId": producer[0], "ProducerEpoch": producer[1],
            "Topics": [{"Name": topic, "Partitions": [{"PartitionIndex": p, "CommittedOffset": o, "CommittedMetadata": m} for p, o, m in rows]}], **more}


def produce(transaction, producer, sequence, topic="in-txn", partition=0, now=0, transactional=True):
    data = batch([record(0)], attributes=16 if transactional else 0, pid=producer[0], epoch=producer[1], sequence=sequence, now=now)
    return {"TransactionalId": transaction, "Acks": -1, "TimeoutMs": 30000, "TopicData": [{"Name": topic, "PartitionData": [{"Index": partition, "Records": data}]}]}


def found(b, transaction):
    """Until the coordinator of the transactional id can be used."""
    b.until(lambda a: a["Coordinators"][0]["ErrorCode"] == 0, "FindCoordinator", 4, {"KeyType": 1, "CoordinatorKeys": [transaction]})
    b.until(lambda a: a["TransactionStates"][0]["ErrorCode"] not in (14, 15, 16), "DescribeTransactions", 0, {"TransactionalIds": [transaction]})


def begun(b, transaction, version=5, **more):
    """A producer that may begin: its id and epoch.  What an earlier one left open is aborted first."""
    found(b, transaction)
    answer = b.until(lambda a: a["ErrorCode"] not in (14, 51), "InitProducerId", version, init(transaction, **more))
    assert answer["ErrorCode"] == 0, answer
    b.general(answer)
    return answer["ProducerId"], answer["ProducerEpoch"]


def settled(b, transaction):
    """Until nothing of it is being written."""
    return b.until(lambda a: a["TransactionStates"][0]["TransactionState"] in ("Empty", "Ongoing", "CompleteCommit", "CompleteAbort"), "DescribeTransactions", 0, {"TransactionalIds": [transaction]})


def described(b, name, transaction):
    settled(b, transaction)
    b.call(name, "DescribeTransactions", 0, {"TransactionalIds": [transaction]})


def added(b, transaction, producer, *topics):
    """Put in for sure: what was before may still be on its way to its end."""
    answer = b.until(lambda a: a["ResultsByTopicV3AndBelow"][0]["ResultsByPartition"][0]["PartitionErrorCode"] != 51, "AddPartitionsToTxn", 3, add(transaction, producer, *topics))
    assert answer["ResultsByTopicV3AndBelow"][0]["ResultsByPartition"][0]["PartitionErrorCode"] == 0, answer


def ended(b, transaction, producer, version=STABLE, commit=True):
    """The producer as it may go on."""
    answer = b.until(lambda a: a["ErrorCode"] != 51, "EndTxn", version, end(transaction, producer, commit))
    assert answer["ErrorCode"] == 0, answer
    settled(b, transaction)
    return (answer["ProducerId"], answer["ProducerEpoch"]) if version >= BUMPING else producer


def finding(b):
    found(b, "x-found")
    for version in range(b.lowest("FindCoordinator"), b.highest("FindCoordinator") + 1):
        for key in ("x-found", "", "x" * 300):
            if version:
                b.call(f"transaction {key[:5]!r}", "FindCoordinator", version, {"KeyType": 1, "CoordinatorKeys": [key]} if version >= 4 else {"KeyType": 1, "Key": key})


def identities(b):
    api = "InitProducerId"
    found(b, "x-ids")
    b.until(lambda a: a["ErrorCode"] == 0, api, 1, init(None))  # the broker has ids to give out
    for version in range(b.lowest(api), 6):
        name = f"x-ids-{version}"
        for timeout_ms in (0, -1, 900001, 2**31 - 1, 900000, 1, TIMEOUT_MS):
            b.call(f"timeout {timeout_ms}", api, version, init(name, timeout_ms))
        mine = begun(b, name, version)
        b.call("again", api, version, init(name))
        b.call("empty id", api, version, init(""))
        b.call("empty id, bad timeout", api, version, init("", 0))
        b.call("no id, bad timeout", api, version, init(None, 0))
        if version < 3:
            continue
        mine = (mine[0], mine[1] + 1)
        for name_of, which in (("no epoch", (mine[0], -1)), ("no id", (-1, 3)), ("another id", (mine[0] + 100, 0)), ("an epoch ahead", (mine[0], mine[1] + 5)), ("negative", (-2, -2)),
                               ("negative id", (-2, 0)), ("negative epoch", (mine[0], -2)), ("id 0", (mine[0] + 9999, 0))):
            b.call(f"with {name_of}", api, version, init(name, producer=which))
            b.call(f"with {name_of}, never seen", api, version, init(f"{name}-{name_of}", producer=which))
            b.call(f"with {name_of}, not transactional", api, version, init(None, producer=which))
            b.call(f"with {name_of}, empty id", api, version, init("", producer=which))
            b.call(f"with {name_of}, bad timeout", api, version, init(name, 0, producer=which))
        b.call("with its own", api, version, init(name, producer=mine))
        b.call("with its own, the answer lost", api, version, init(name, producer=mine))
        b.call("with its own, two before", api, version, init(name, producer=(mine[0], mine[1] - 1)))
        b.call("with its own again", api, version, init(name, producer=(mine[0], mine[1] + 1)))
        b.call("with none", api, version, init(name))
        b.call("with the one before", api, version, init(name, producer=(mine[0], mine[1] + 2)))
        described(b, "at last", name)


def adding(b):
    api = "AddPartitionsToTxn"
    made(b, "in-txn", 3)
    found(b, "x-add")
    for version in range(b.lowest(api), b.highest(api) + 1):
        name = f"x-add-{version}"
        mine = begun(b, name)

        def ask(*topics, transaction=name, producer=mine, verify=False):
            return add(transaction, producer, *topics, version=version, verify=verify)
        good = ("in-txn", [0])
        for label, values in {"no transaction": ask(good, transaction=""), "never seen": ask(good, transaction="x-never"), "another id": ask(good, producer=(mine[0] + 100, 0)),
                              "an epoch ahead": ask(good, producer=(mine[0], mine[1] + 1)), "negative epoch": ask(good, producer=(mine[0], -1)), "no producer": ask(good, producer=(-1, -1)),
                              "unknown topic": ask(("nothing", [0])), "no topic": ask(("", [0])), "bad topic": ask(("a b", [0])), "partition 9": ask(("in-txn", [9])),
                              "partition -1": ask(("in-txn", [-1])), "one good, one not": ask(("in-txn", [0, 9])), "a good topic and an unknown one": ask(good, ("nothing", [0])),
                              "unknown, no transaction": ask(("nothing", [0]), transaction=""), "unknown, an epoch ahead": ask(("nothing", [0]), producer=(mine[0], mine[1] + 1)),
                              "nothing": ask(), "no partitions": ask(("in-txn", []))}.items():
            b.call(label, api, version, values)
            if version >= 4:
                b.call(label + ", asked only", api, version, {"Transactions": [{**values["Transactions"][0], "VerifyOnly": True}]})
        described(b, "after what was bad", name)
        b.call("one", api, version, ask(good))
        described(b, "after one", name)
        b.call("again", api, version, ask(good))
        b.call("two", api, version, ask(("in-txn", [1, 0])))
        b.call("an epoch back", api, version, ask(good, producer=(mine[0], mine[1] - 1)))
        if version >= 4:
            b.call("asked", api, version, ask(("in-txn", [0, 1, 9]), verify=True))
            b.call("asked for what is in", api, version, ask(("in-txn", [0, 1]), verify=True))
            b.call("asked for one that is in, one that is not", api, version, ask(("in-txn", [0, 2]), verify=True))
            b.call("two transactions", api, version, {"Transactions": ask(good)["Transactions"] + ask(good, transaction="x-never")["Transactions"]})
            b.call("two transactions, one asked only", api, version, {"Transactions": ask(good)["Transactions"] + ask(good, transaction="x-add-3", verify=True)["Transactions"]})
        b.call("twice", api, version, ask(("in-txn", [2, 2])))
        described(b, "after all", name)
        b.call("listed", "ListTransactions", 2, {"TransactionalIdPattern": name})
        b.call("commit", "EndTxn", STABLE, end(name, mine))
        described(b, "committed", name)
        if version >= 4:
            b.call("asked for what is over", api, version, ask(good, verify=True))


def adding_groups(b):
    api = "AddOffsetsToTxn"
    coordinated(b, "txn-group")
    for version in range(b.lowest(api), b.highest(api) + 1):
        name = f"x-group-{version}"
        mine = begun(b, name)
        for label, values in {"no transaction": add_group("", mine, "txn-group"), "never seen": add_group("x-never", mine, "txn-group"), "no group": add_group(name, mine, ""),
                              "another id": add_group(name, (mine[0] + 100, 0), "txn-group"), "an epoch ahead": add_group(name, (mine[0], mine[1] + 1), "txn-group"),
                              "no producer": add_group(name, (-1, -1), "txn-group")}.items():
            b.call(label, api, version, values)
        described(b, "after what was bad", name)
        b.call("one", api, version, add_group(name, mine, "txn-group"))
        b.call("again", api, version, add_group(name, mine, "txn-group"))
        described(b, "after one", name)
        ended(b, name, mine, commit=False)
        described(b, "aborted", name)


def committing_offsets(b):
    api = "TxnOffsetCommit"
    made(b, "of-group", 3)
    for version in range(b.lowest(api), b.highest(api) + 1):
        name, group = f"x-offsets-{version}", f"txn-offsets-{version}"
        coordinated(b, group)
        mine = begun(b, name)

        def ask(rows, producer=None, transaction=name, group=group, topic="of-group", **more):
            return commit_offsets(transaction, producer or mine, group, rows, topic, **more)

        def see(label):
            b.call(f"{label}: committed", "OffsetFetch", 7, {"GroupId": group, "Topics": [{"Name": "of-group", "PartitionIndexes": [0, 1, 2]}]})
            b.call(f"{label}: stable", "OffsetFetch", 7, {"GroupId": group, "Topics": [{"Name": "of-group", "PartitionIndexes": [0, 1, 2]}], "RequireStable": True})
        good = [(0, 5, "m")]
        if version < 5:
            b.call("not told before", api, version, ask(good))
            b.call("told", "AddOffsetsToTxn", 3, add_group(name, mine, group))
        for label, values in {"no group": ask(good, group=""), "unknown topic": ask(good, topic="nothing"), "no topic": ask(good, topic=""), "bad topic": ask(good, topic="a b"),
                              "partition 9": ask([(9, 1, "")]), "partition -1": ask([(-1, 1, "")]), "one good, one not": ask([(0, 4, ""), (9, 1, "")]), "too much text": ask([(1, 1, "x" * 4097)]),
                              "no partitions": ask([]), "no topics": {**ask([]), "Topics": []}}.items():
            b.call(label, api, version, values)
        for label, more in {"a generation": {"GenerationId": 1}, "a member": {"MemberId": "m"}, "a member and a generation": {"MemberId": "m", "GenerationId": 1},
                            "an instance": {"GroupInstanceId": "i"}, "generation -2": {"GenerationId": -2}}.items():
            if version >= 3:
                b.call(label, api, version, ask([(2, 1, "")], **more))
        see("before")
        b.call("one", api, version, ask(good))
        b.call("two", api, version, ask([(0, 6, None), (1, 7, "")]))
        b.call("negative", api, version, ask([(1, -1, "")]))
        see("open")
        b.call("described", "DescribeGroups", 5, {"Groups": [group]})
        described(b, "open: transaction", name)
        b.call("plain commit", "OffsetCommit", 7, {"GroupId": group, "Topics": [{"Name": "of-group", "Partitions": [{"PartitionIndex": 2, "CommittedOffset": 9}]}]})
        see("with a plain commit")
        b.call("delete the group", "DeleteGroups", 2, {"GroupsNames": [group]})
        mine = ended(b, name, mine, BUMPING if version >= 5 else STABLE)
        b.until(lambda a: a["Topics"][0]["Partitions"][0]["ErrorCode"] != 88, "OffsetFetch", 7,
                {"GroupId": group, "Topics": [{"Name": "of-group", "PartitionIndexes": [0]}], "RequireStable": True})
        see("committed")
        if version < 5:
            b.call("over", api, version, ask(good))
            b.call("told again", "AddOffsetsToTxn", 3, add_group(name, mine, group))
        b.call("next", api, version, ask([(0, 50, ""), (2, 51, "")], mine))
        mine = ended(b, name, mine, BUMPING if version >= 5 else STABLE, commit=False)
        b.until(lambda a: a["Topics"][0]["Partitions"][0]["ErrorCode"] != 88, "OffsetFetch", 7,
                {"GroupId": group, "Topics": [{"Name": "of-group", "PartitionIndexes": [0]}], "RequireStable": True})
        see("aborted")
        old = (mine[0], mine[1] - 1)
        if version >= 5:
            b.call("an epoch back", api, version, ask(good, old))
            b.call("an epoch back, never seen", api, version, ask(good, old, transaction="x-never"))
            b.call("an epoch back, no transaction", api, version, ask(good, old, transaction=""))
            b.call("never seen", api, version, ask(good, transaction="x-never"))
            b.call("no transaction", api, version, ask(good, transaction=""))
            b.call("another id", api, version, ask(good, (mine[0] + 100, 0)))
            b.call("an epoch ahead", api, version, ask(good, (mine[0], mine[1] + 1)))


def ending(b):
    api = "EndTxn"
    made(b, "ended", 2)
    for version in range(b.lowest(api), b.highest(api) + 1):
        name = f"x-end-{version}"
        mine = begun(b, name)
        for commit in (True, False):
            way = "commit" if commit else "abort"
            for label, transaction, producer in (("no transaction", "", mine), ("never seen", "x-never", mine), ("another id", name, (mine[0] + 100, 0)), ("no producer", name, (-1, -1)),
                                                 ("an epoch ahead", name, (mine[0], mine[1] + 1)), ("two ahead", name, (mine[0], mine[1] + 2))):
                b.call(f"{way}, {label}", api, version, end(transaction, producer, commit))
        b.call("commit of nothing", api, version, end(name, mine))
        nothing = b.call("abort of nothing", api, version, end(name, mine, False))
        described(b, "of nothing", name)
        if version >= BUMPING:
            mine = nothing["ProducerId"], nothing["ProducerEpoch"]
        for commit in (True, False):
            way = "commit" if commit else "abort"
            added(b, name, mine, ("ended", [0, 1]))
            before = mine
            b.call(f"{way}: an epoch back", api, version, end(name, (mine[0], mine[1] - 1), commit))
            answer = b.call(way, api, version, end(name, mine, commit))
            described(b, way, name)
            if version >= BUMPING:
                mine = answer["ProducerId"], answer["ProducerEpoch"]
            for label, producer in (("current", mine), ("the one before", before), ("two before", (before[0], before[1] - 1))):
                for again in (True, False):
                    if version >= BUMPING and label == "current" and not again:
                        continue  # raises the epoch: below
                    b.call(f"{way}, then {'commit' if again else 'abort'} with {label}", api, version, end(name, producer, again))
            if version >= BUMPING:
                answer = b.call(f"{way}, then abort of nothing", api, version, end(name, mine, False))
                described(b, f"{way}, then abort of nothing", name)
                mine = answer["ProducerId"], answer["ProducerEpoch"]
        described(b, "at last", name)


def fencing(b):
    made(b, "fenced", 2)
    for version in (2, 4, 5):
        name = f"x-fence-{version}"
        old = begun(b, name)
        added(b, name, old, ("fenced", [0]))
        b.call("written", "Produce", 11, produce(name, old, 0, "fenced", now=b.now_ms))
        b.call("another comes", "InitProducerId", version, init(name))
        new = begun(b, name)
        described(b, "another has come", name)
        for label, api, low, values in (("adds", "AddPartitionsToTxn", 3, add(name, old, ("fenced", [0]))), ("adds a group", "AddOffsetsToTxn", 3, add_group(name, old, "fenced-group")),
                                        ("commits", "EndTxn", 4, end(name, old)), ("commits and bumps", "EndTxn", 5, end(name, old)), ("aborts", "EndTxn", 4, end(name, old, False)),
                                        ("writes", "Produce", 11, produce(name, old, 1, "fenced", now=b.now_ms)), ("writes and adds", "Produce", 12, produce(name, old, 1, "fenced", now=b.now_ms)),
                                        ("begins again", "InitProducerId", 4, init(name, producer=old)), ("adds", "AddPartitionsToTxn", 1, add(name, old, ("fenced", [0]))),
                                        ("adds a group", "AddOffsetsToTxn", 1, add_group(name, old, "fenced-group")), ("commits", "EndTxn", 1, end(name, old)),
                                        ("begins again", "InitProducerId", 3, init(name, producer=old))):
            b.call(f"the old one {label}", api, low, values)
        added(b, name, new, ("fenced", [0]))
        b.call("the new one writes", "Produce", 11, produce(name, new, 0, "fenced", now=b.now_ms))
        b.call("begins with its own while open", "InitProducerId", version, init(name, producer=new))
        settled(b, name)
        described(b, "begun with its own", name)
        b.call("what tools see", "DescribeProducers", 0, {"Topics": [{"Name": "fenced", "PartitionIndexes": [0]}]})
    described(b, "at last", name)


def writing(b):
    api = "Produce"
    made(b, "in-log", 3)
    fetch = {"MaxWaitMs": 1, "MinBytes": 1, "SessionEpoch": -1, "Topics": [{"Topic": "in-log", "Partitions": [{"Partition": 0, "FetchOffset": 0, "PartitionMaxBytes": 1 << 20}]}]}

    def see(label):
        for isolation in (0, 1):
            b.call(f"{label}: fetched, isolation {isolation}", "Fetch", 12, {**fetch, "IsolationLevel": isolation})
            b.call(f"{label}: end, isolation {isolation}", "ListOffsets", 7, {"ReplicaId": -1, "IsolationLevel": isolation, "Topics": [{"Name": "in-log", "Partitions": [
                {"PartitionIndex": 0, "CurrentLeaderEpoch": -1, "Timestamp": t} for t in (-1,)]}]})
        b.call(f"{label}: producers", "DescribeProducers", 0, {"Topics": [{"Name": "in-log", "PartitionIndexes": [0]}]})
    for version in (3, 8, 9, 10, 11, 12):
        name = f"x-write-{version}"
        mine = begun(b, name)

        def ask(sequence, producer=None, partition=0, transaction=name, **more):
            return produce(transaction, producer or mine, sequence, "in-log", partition, b.now_ms, **more)
        if version < 12:
            b.call("not added", api, version, ask(0))
            added(b, name, mine, ("in-log", [0]))
        b.call("no transactional id", api, version, ask(0, transaction=None))
        b.call("empty transactional id", api, version, ask(0, transaction=""))
        b.call("another transactional id", api, version, ask(0, transaction="x-never"))
        b.call("another producer", api, version, ask(0, (mine[0] + 100, 0)))
        b.call("an epoch ahead", api, version, ask(0, (mine[0], mine[1] + 1)))
        b.call("sequence 5 at first", api, version, ask(5, partition=1))
        b.call("one", api, version, ask(0))
        b.call("the same", api, version, ask(0))
        b.call("a hole", api, version, ask(5))
        b.call("the next", api, version, ask(1))
        b.call("not transactional", api, version, ask(2, transactional=False))
        b.call("not transactional, not in it", api, version, ask(0, partition=2, transactional=False))
        see("open")
        described(b, "open", name)
        old = mine
        mine = ended(b, name, mine, BUMPING if version >= 12 else STABLE, commit=version % 2 == 0)
        b.until(lambda a: a["Topics"][0]["Partitions"][0]["ActiveProducers"] and all(p["CurrentTxnStartOffset"] < 0 for p in a["Topics"][0]["Partitions"][0]["ActiveProducers"]),
                "DescribeProducers", 0, {"Topics": [{"Name": "in-log", "PartitionIndexes": [0]}]})
        b.until(lambda a: a["Responses"][0]["Partitions"][0]["LastStableOffset"] == a["Responses"][0]["Partitions"][0]["HighWatermark"], "Fetch", 12, fetch)
        see("ended")
        if version >= 12:
            b.call("late", api, version, ask(2, old))
            b.call("late, never seen", api, version, ask(2, old, transaction="x-never"))
        b.call("next, not from 0", api, version, ask(7))
        b.call("next", api, version, ask(2))
        b.call("not transactional, after it", api, version, ask(2, transactional=False))
    led(b, "in-log", 3)


def looking(b):
    api = "DescribeTransactions"
    made(b, "looked", 2)
    states = {"x-look-empty": begun(b, "x-look-empty"), "x-look-open": begun(b, "x-look-open"), "x-look-commit": begun(b, "x-look-commit"), "x-look-abort": begun(b, "x-look-abort")}
    for name in ("x-look-open", "x-look-commit", "x-look-abort"):
        added(b, name, states[name], ("looked", [0, 1]))
    ended(b, "x-look-commit", states["x-look-commit"])
    ended(b, "x-look-abort", states["x-look-abort"], commit=False)
    for label, names in {"all": list(states), "none": [], "unknown": ["x-never"], "no name": [""], "twice": ["x-look-open"] * 2, "known and unknown": ["x-never", "x-look-open"]}.items():
        b.call(label, api, 0, {"TransactionalIds": names})
    api = "ListTransactions"
    for row in sorted(b.ask(api, 0, {})["TransactionStates"], key=lambda row: row["TransactionalId"]):
        b.general(row)  # names for the producer ids, in the same order for both brokers
    for version in range(b.lowest(api), b.highest(api) + 1):
        def ask(states_of=(), producers=(), **more):
            return {"StateFilters": list(states_of), "ProducerIdFilters": list(producers), **more}
        own = {"TransactionalIdPattern": "x-look-.*"} if version >= 2 else {}
        for chosen in (["Empty"], ["Ongoing"], ["CompleteCommit"], ["CompleteAbort"], ["PrepareCommit"], ["PrepareAbort"], ["PrepareEpochFence"], ["Dead"], ["empty"], ["x"], [""], ["Empty", "Ongoing"],
                       ["x", "Ongoing"], ["Empty", "Empty"], ["x", "x"]):
            b.call(f"states {chosen}", api, version, ask(chosen, **own))
        b.call("all", api, version, ask(**own))
        b.call("one producer", api, version, ask(producers=[states["x-look-open"][0]], **own))
        b.call("no such producer", api, version, ask(producers=[1 << 40], **own))
        b.call("producer -1", api, version, ask(producers=[-1], **own))
        b.call("producer and state", api, version, ask(["Empty"], [states["x-look-open"][0]], **own))
        if version >= 1:
            for duration in (-2, 0, 864000000):
                b.call(f"for {duration} ms", api, version, ask(DurationFilter=duration, **own))
        if version >= 2:
            for pattern in ("", "x-look", ".*open", "x-look-(open|empty)", "[", "(", "*", ".*", "X-LOOK.*", "x-look-[a-e].*", "x-never", None):
                if pattern not in ("", ".*", None):
                    b.call(f"pattern {pattern!r}", api, version, ask(TransactionalIdPattern=pattern))
                b.call(f"pattern {pattern!r}, open", api, version, ask(["Ongoing"], [states["x-look-open"][0]], TransactionalIdPattern=pattern))
    ended(b, "x-look-open", states["x-look-open"])


def timing_out(b):
    made(b, "out", 1)
    mine = begun(b, "x-short", timeout_ms=100)
    added(b, "x-short", mine, ("out", [0]))
    b.until(lambda a: a["TransactionStates"][0]["TransactionState"] == "CompleteAbort", "DescribeTransactions", 0, {"TransactionalIds": ["x-short"]})
    described(b, "out of time", "x-short")
    for version in (1, 4, 5):
        b.call("commit, too late", "EndTxn", version, end("x-short", mine))
        b.call("abort, too late", "EndTxn", version, end("x-short", mine, False))
    b.call("add, too late", "AddPartitionsToTxn", 3, add("x-short", mine, ("out", [0])))
    b.call("begin with its own", "InitProducerId", 5, init("x-short", 100, mine))
    b.call("begin", "InitProducerId", 5, init("x-short", 100))


STORY = [finding, identities, adding, adding_groups, committing_offsets, ending, fencing, writing, looking, timing_out]
