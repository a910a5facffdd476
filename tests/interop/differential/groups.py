"""Groups: coordinators, the classic protocol step by step, offsets, what tools ask, and the consumer protocol (KIP-848)."""
import uuid

from differential.topics import UNKNOWN_ID, made

SESSION_MS = 45000


def coordinated(b, group):
    """Until the coordinator of the group is known and has read its part of __consumer_offsets."""
    b.until(lambda a: a["Coordinators"][0]["ErrorCode"] == 0, "FindCoordinator", 4, {"KeyType": 0, "CoordinatorKeys": [group]})
    b.until(lambda a: a["Groups"][0]["ErrorCode"] not in (14, 15, 16), "DescribeGroups", 5, {"Groups": [group]})


def protocols(*names):
    return [{"Name": n, "Metadata": b"\0\1\0\0\0\1\0\1t\xff\xff\xff\xff"} for n in names]


def join(group, member="", instance=None, names=("range",), session_ms=SESSION_MS, rebalance_ms=60000, kind="consumer"):
    return {"GroupId": group, "SessionTimeoutMs": session_ms, "RebalanceTimeoutMs": rebalance_ms, "MemberId": member, "GroupInstanceId": instance, "ProtocolType": kind,
            "Protocols": protocols(*names)}


def coordinators(b):
    coordinated(b, "found")
    api = "FindCoordinator"
    for version in range(b.lowest(api), b.highest(api) + 1):
        for kind in (0, 2, 3, -1) if version else (0,):
            for key in ("found", "", "x" * 300):
                values = {"KeyType": kind, "CoordinatorKeys": [key]} if version >= 4 else {"KeyType": kind, "Key": key}
                b.call(f"kind {kind}, {key[:5]!r}", api, version, values)
        if version >= 4:
            b.call("three", api, version, {"KeyType": 0, "CoordinatorKeys": ["a", "", "found"]})
            b.call("twice", api, version, {"KeyType": 0, "CoordinatorKeys": ["a", "a"]})
            b.call("none", api, version, {"KeyType": 0, "CoordinatorKeys": []})


def joining(b):
    coordinated(b, "j")
    for version in range(0, b.highest("JoinGroup") + 1):
        group = f"join-{version}"
        coordinated(b, group)
        for name, values in {"no group": join(""), "session too short": join(group, session_ms=1), "session too long": join(group, session_ms=99999999), "no protocol": join(group, names=()),
                             "no protocol type": join(group, kind=""), "unknown member": join(group, "x-1234"), "negative session": join(group, session_ms=-1)}.items():
            b.call(name, "JoinGroup", version, values)
        first = b.call("first", "JoinGroup", version, join(group))
        if version >= 4:
            first = b.call("with its id", "JoinGroup", version, join(group, first["MemberId"]))
        member, generation = first["MemberId"], first["GenerationId"]
        b.symbol(member, "member")
        sync = min(version, b.highest("SyncGroup"))

        def sync_of(member, generation, rows=(), kind="consumer", name="range"):
            more = {"ProtocolType": kind, "ProtocolName": name} if sync >= 5 else {}
            return {"GroupId": group, "GenerationId": generation, "MemberId": member, "Assignments": [{"MemberId": m, "Assignment": a} for m, a in rows], **more}
        b.call("heartbeat while it rebalances", "Heartbeat", min(version, 4), {"GroupId": group, "GenerationId": generation, "MemberId": member})
        b.call("commit while it rebalances", "OffsetCommit", 8, {"GroupId": group, "GenerationIdOrMemberEpoch": generation, "MemberId": member,
                                                                   "Topics": [{"Name": "t", "Partitions": [{"PartitionIndex": 0, "CommittedOffset": 1}]}]})
        b.call("sync of another generation", "SyncGroup", sync, sync_of(member, generation + 1))
        b.call("sync of another member", "SyncGroup", sync, sync_of("nobody", generation))
        if sync >= 5:
            b.call("sync of another type", "SyncGroup", sync, sync_of(member, generation, kind="x"))
            b.call("sync of another protocol", "SyncGroup", sync, sync_of(member, generation, name="x"))
        b.call("sync", "SyncGroup", sync, sync_of(member, generation, [(member, b"abc")]))
        b.call("sync again", "SyncGroup", sync, sync_of(member, generation))
        for beat in range(0, b.highest("Heartbeat") + 1):
            for name, values in {"heartbeat": (group, generation, member), "older": (group, generation - 1, member), "newer": (group, generation + 1, member), "negative": (group, -1, member),
                                 "nobody": (group, generation, "nobody"), "no member": (group, generation, ""), "no group": ("", generation, member), "unknown group": ("unknown", generation, member)}.items():
                b.call(f"heartbeat, {name}", "Heartbeat", beat, dict(zip(("GroupId", "GenerationId", "MemberId"), values)))
        b.call("another type", "JoinGroup", version, join(group, kind="connect"))
        b.call("another protocol", "JoinGroup", version, join(group, names=("x",)))
        b.call("member with another protocol", "JoinGroup", version, join(group, "nobody", names=("x",)))
        for leave in range(0, b.highest("LeaveGroup") + 1):
            def leave_of(group, member):
                return {"GroupId": group, "Members": [{"MemberId": member}]} if leave >= 3 else {"GroupId": group, "MemberId": member}
            b.call("leave, nobody", "LeaveGroup", leave, leave_of(group, "nobody"))
            b.call("leave, no group", "LeaveGroup", leave, leave_of("", member))
            b.call("leave, unknown group", "LeaveGroup", leave, leave_of("unknown", member))
            if leave >= 3:
                b.call("leave, none", "LeaveGroup", leave, {"GroupId": group, "Members": []})
                b.call("leave, unknown instance", "LeaveGroup", leave, {"GroupId": group, "Members": [{"MemberId": "", "GroupInstanceId": "i"}]})
        again = b.call("join again", "JoinGroup", version, join(group, member))
        b.call("sync again", "SyncGroup", sync, sync_of(member, again["GenerationId"], [(member, b"")]))
        leave = min(version, b.highest("LeaveGroup"))
        b.call("leave", "LeaveGroup", leave, {"GroupId": group, "Members": [{"MemberId": member}]} if leave >= 3 else {"GroupId": group, "MemberId": member})
        b.call("heartbeat, left", "Heartbeat", min(version, 4), {"GroupId": group, "GenerationId": generation, "MemberId": member})
        b.call("described", "DescribeGroups", 5, {"Groups": [group]})


def static_members(b):
    for version in range(5, b.highest("JoinGroup") + 1):
        group = f"static-{version}"
        coordinated(b, group)
        first = b.call("first", "JoinGroup", version, join(group, instance="i"))
        member, generation = first["MemberId"], first["GenerationId"]
        sync = min(version, b.highest("SyncGroup"))
        more = {"ProtocolType": "consumer", "ProtocolName": "range"} if sync >= 5 else {}
        b.call("sync", "SyncGroup", sync, {"GroupId": group, "GenerationId": generation, "MemberId": member, "GroupInstanceId": "i", "Assignments": [{"MemberId": member, "Assignment": b"abc"}], **more})
        second = b.call("comes back", "JoinGroup", version, join(group, instance="i"))
        b.call("the old one's heartbeat", "Heartbeat", 4, {"GroupId": group, "GenerationId": generation, "MemberId": member, "GroupInstanceId": "i"})
        b.call("the old one joins", "JoinGroup", version, join(group, member, instance="i"))
        b.call("the old one syncs", "SyncGroup", sync, {"GroupId": group, "GenerationId": generation, "MemberId": member, "GroupInstanceId": "i", **more})
        b.call("the old one commits", "OffsetCommit", 8, {"GroupId": group, "GenerationIdOrMemberEpoch": generation, "MemberId": member, "GroupInstanceId": "i",
                                                           "Topics": [{"Name": "t", "Partitions": [{"PartitionIndex": 0, "CommittedOffset": 1}]}]})
        b.call("the new one's heartbeat", "Heartbeat", 4, {"GroupId": group, "GenerationId": second["GenerationId"], "MemberId": second["MemberId"], "GroupInstanceId": "i"})
        b.call("the new one's heartbeat, no instance", "Heartbeat", 4, {"GroupId": group, "GenerationId": second["GenerationId"], "MemberId": second["MemberId"]})
        b.call("unknown instance", "Heartbeat", 4, {"GroupId": group, "GenerationId": generation, "MemberId": member, "GroupInstanceId": "other"})
        b.call("described", "DescribeGroups", 5, {"Groups": [group]})
        b.call("the old one leaves", "LeaveGroup", 5, {"GroupId": group, "Members": [{"MemberId": member, "GroupInstanceId": "i"}]})
        b.call("leaves by instance", "LeaveGroup", 5, {"GroupId": group, "Members": [{"MemberId": "", "GroupInstanceId": "i", "Reason": "test"}]})
        b.call("left", "DescribeGroups", 5, {"Groups": [group]})


def offsets(b):
    identity = made(b, "committed", 3)
    ids = {"committed": identity, "nothing": UNKNOWN_ID, "": uuid.UUID(int=0)}
    for version in range(b.lowest("OffsetCommit"), b.highest("OffsetCommit") + 1):
        group = f"offsets-{version}"
        coordinated(b, group)

        def which(topic, version):
            return {"TopicId": ids[topic]} if version >= 10 else {"Name": topic}

        def commit(rows, topic="committed", group=group, generation=-1, member=""):
            return {"GroupId": group, "GenerationIdOrMemberEpoch": generation, "MemberId": member, "Topics": [
                {**which(topic, version), "Partitions": [{"PartitionIndex": p, "CommittedOffset": o, "CommittedMetadata": m} for p, o, m in rows]}]}
        for name, values in {"one": commit([(0, 5, "")]), "two": commit([(0, 6, "m"), (1, 7, None)]), "negative": commit([(2, -1, "")]), "too much text": commit([(2, 1, "x" * 4097)]),
                             "longest text": commit([(2, 1, "x" * 4096)]), "partition 9": commit([(9, 1, "")]), "partition -1": commit([(-1, 1, "")]), "unknown topic": commit([(0, 1, "")], "nothing"),
                             "no topic": commit([(0, 1, "")], ""), "no group": commit([(0, 1, "")], group=""), "generation 5": commit([(0, 1, "")], generation=5),
                             "member": commit([(0, 1, "")], member="m"), "member and generation": commit([(0, 1, "")], generation=1, member="m"), "twice": commit([(0, 1, ""), (0, 2, "")]),
                             "no partitions": commit([])}.items():
            b.call(name, "OffsetCommit", version, values)
        b.call("no topics", "OffsetCommit", version, {**commit([]), "Topics": []})
        for fetch in range(b.lowest("OffsetFetch"), b.highest("OffsetFetch") + 1):
            def asked(group, topics, stable=False, **more):
                if fetch < 8:
                    return {"GroupId": group, "Topics": None if topics is None else [{"Name": t, "PartitionIndexes": p} for t, p in topics], "RequireStable": stable}
                return {"Groups": [{"GroupId": group, "Topics": None if topics is None else [{**which(t, fetch), "PartitionIndexes": p} for t, p in topics], **more}], "RequireStable": stable}
            for name, rows in {"one": [("committed", [0])], "all three": [("committed", [0, 1, 2])], "others": [("committed", [9, -1])], "unknown": [("nothing", [0])], "no partition": [("committed", [])],
                               "no topic": []}.items():
                b.call(f"fetch {name}", "OffsetFetch", fetch, asked(group, rows))
                b.call(f"fetch {name}, unknown group", "OffsetFetch", fetch, asked("unknown", rows))
            b.call("fetch, no group", "OffsetFetch", fetch, asked("", [("committed", [0])]))
            if fetch >= 2:
                b.call("fetch all", "OffsetFetch", fetch, asked(group, None))
                b.call("fetch all, unknown group", "OffsetFetch", fetch, asked("unknown", None))
            if fetch >= 7:
                b.call("fetch stable", "OffsetFetch", fetch, asked(group, [("committed", [0])], stable=True))
            if fetch >= 9:
                b.call("fetch with member", "OffsetFetch", fetch, asked(group, [("committed", [0])], MemberId="m", MemberEpoch=1))
                b.call("fetch, unknown group, with member", "OffsetFetch", fetch, asked("unknown", [("committed", [0])], MemberId="m", MemberEpoch=1))
            if fetch >= 8:
                b.call("fetch of two groups", "OffsetFetch", fetch, {"Groups": asked(group, [("committed", [0])])["Groups"] + asked("unknown", [("committed", [0])])["Groups"]})
                b.call("fetch of no group", "OffsetFetch", fetch, {"Groups": []})
    api = "OffsetDelete"
    for name, group, topic, partition in (("one", "offsets-8", "committed", 0), ("again", "offsets-8", "committed", 0), ("partition 9", "offsets-8", "committed", 9), ("unknown topic", "offsets-8", "nothing", 0),
                                          ("unknown group", "unknown", "committed", 0), ("no group", "", "committed", 0)):
        b.call(name, api, 0, {"GroupId": group, "Topics": [{"Name": topic, "Partitions": [{"PartitionIndex": partition}]}]})
    b.call("nothing", api, 0, {"GroupId": "offsets-8", "Topics": []})


def tools(b):
    for version in range(0, b.highest("DescribeGroups") + 1):
        for name, groups in {"one": ["offsets-5"], "unknown": ["unknown"], "no name": [""], "two": ["offsets-5", "offsets-6"], "twice": ["offsets-5", "offsets-5"], "none": []}.items():
            b.call(name, "DescribeGroups", version, {"Groups": groups})
            if version >= 3:
                b.call(name + ", operations", "DescribeGroups", version, {"Groups": groups, "IncludeAuthorizedOperations": True})
    for version in range(0, b.highest("ListGroups") + 1):
        b.call("list", "ListGroups", version)
        if version >= 4:
            for states in (["Empty"], ["empty"], ["Stable"], ["Dead", "Empty"], ["x"], [""]):
                b.call(f"list {states}", "ListGroups", version, {"StatesFilter": states})
        if version >= 5:
            for kinds in (["classic"], ["Classic"], ["consumer"], ["x"], ["share"], [""]):
                b.call(f"list {kinds}", "ListGroups", version, {"TypesFilter": kinds})
            b.call("list both", "ListGroups", version, {"TypesFilter": ["classic"], "StatesFilter": ["Empty"]})
    for version in range(0, b.highest("DeleteGroups") + 1):
        for name, groups in {"one": [f"offsets-{version + 2}"], "again": [f"offsets-{version + 2}"], "unknown": ["unknown"], "no name": [""], "none": [], "twice": ["unknown", "unknown"]}.items():
            b.call(name, "DeleteGroups", version, {"GroupsNames": groups})
        b.call("deleted", "DescribeGroups", 5, {"Groups": [f"offsets-{version + 2}"]})
        b.call("its offsets", "OffsetFetch", 7, {"GroupId": f"offsets-{version + 2}", "Topics": None})


def beat(group, member, epoch, topics=("modern",), owned=(), **more):
    return {"GroupId": group, "MemberId": member, "MemberEpoch": epoch, "RebalanceTimeoutMs": 60000, "SubscribedTopicNames": None if topics is None else list(topics),
            "TopicPartitions": None if owned is None else list(owned), **more}


def modern(b):
    identity = made(b, "modern", 2)
    api = "ConsumerGroupHeartbeat"
    for version in range(0, b.highest(api) + 1):
        group = f"modern-{version}"
        coordinated(b, group)
        me = "member-a" if version else ""
        for name, values in {"no group": beat("", me, 0), "unknown member": beat(group, "x", 5), "epoch -3": beat(group, "x", -3), "no topics": beat(group, "x", 0, None),
                             "no timeout": {**beat(group, "x", 0), "RebalanceTimeoutMs": -1}, "owns when it joins": beat(group, "x", 0, owned=[{"TopicId": identity, "Partitions": [0]}]),
                             "no list of owned": beat(group, "x", 0, owned=None), "unknown assignor": beat(group, "x", 0, ServerAssignor="x"), "no assignor": beat(group, "x", 0, ServerAssignor=""),
                             "no instance": beat(group, "x", 0, InstanceId=""), "no rack": beat(group, "x", 0, RackId=""), "leaves a group that is not": beat(group, "x", -1),
                             "leaves for a while without an instance": beat(group, "x", -2)}.items():
            b.call(name, api, version, values)
        if version >= 1:
            b.call("bad pattern", api, version, beat(group, "x", 0, SubscribedTopicRegex="["))
            b.call("no id of a member", api, version, beat(group, "", 0))
        b.call("no such group", "ConsumerGroupDescribe", version, {"GroupIds": [group]})
        first = b.call("joins", api, version, beat(group, me, 0))
        me, epoch = first["MemberId"], first["MemberEpoch"]
        assigned = b.until(lambda a: a["Assignment"] not in (None, {}) and a["Assignment"]["TopicPartitions"] or a["MemberEpoch"] > epoch, api, version, beat(group, me, epoch)) if not first["Assignment"] else first
        epoch = assigned["MemberEpoch"]
        owned = [{"TopicId": identity, "Partitions": [0, 1]}]
        b.call("owns what it was given", api, version, beat(group, me, epoch, owned=owned))
        b.call("nothing new", api, version, {"GroupId": group, "MemberId": me, "MemberEpoch": epoch, "RebalanceTimeoutMs": -1})
        for wrong in (epoch + 1, epoch - 1, 99, -3):
            if wrong:
                b.call(f"epoch {wrong - epoch:+d}", api, version, beat(group, me, wrong, owned=None))
        b.call("another member's id", api, version, beat(group, "nobody", epoch))
        b.call("described", "ConsumerGroupDescribe", version, {"GroupIds": [group, "unknown", ""]})
        b.call("described with operations", "ConsumerGroupDescribe", version, {"GroupIds": [group], "IncludeAuthorizedOperations": True})
        b.call("described as classic", "DescribeGroups", 6, {"Groups": [group]})
        b.call("described as classic", "DescribeGroups", 5, {"Groups": [group]})
        b.call("listed", "ListGroups", 5, {"TypesFilter": ["consumer"]})
        b.call("classic member", "JoinGroup", 9, join(group, names=("x",)))
        for number in (epoch, epoch + 1, epoch - 1, -1):
            b.call(f"commit with epoch {number - epoch if number >= 0 else number}", "OffsetCommit", 9, {"GroupId": group, "GenerationIdOrMemberEpoch": number, "MemberId": me, "Topics": [
                {"Name": "modern", "Partitions": [{"PartitionIndex": 0, "CommittedOffset": 1}]}]})
            b.call(f"fetch with epoch {number - epoch if number >= 0 else number}", "OffsetFetch", 9, {"Groups": [
                {"GroupId": group, "MemberId": me, "MemberEpoch": number, "Topics": [{"Name": "modern", "PartitionIndexes": [0]}]}]})
        b.call("commit of nobody", "OffsetCommit", 9, {"GroupId": group, "GenerationIdOrMemberEpoch": epoch, "MemberId": "nobody", "Topics": [
            {"Name": "modern", "Partitions": [{"PartitionIndex": 0, "CommittedOffset": 1}]}]})
        b.call("heartbeat of the classic kind", "Heartbeat", 4, {"GroupId": group, "GenerationId": epoch, "MemberId": me})
        b.call("delete while it has members", "DeleteGroups", 2, {"GroupsNames": [group]})
        b.call("delete offsets", "OffsetDelete", 0, {"GroupId": group, "Topics": [{"Name": "modern", "Partitions": [{"PartitionIndex": 0}]}]})
        b.call("leaves", api, version, beat(group, me, -1))
        b.call("left", "ConsumerGroupDescribe", version, {"GroupIds": [group]})
        static = b.call("a static member", api, version, beat(group, "s-1" if version else "", 0, InstanceId="i"))
        b.call("another with its name", api, version, beat(group, "s-2" if version else "", 0, InstanceId="i"))
        b.call("leaves for a while", api, version, beat(group, static["MemberId"], -2, InstanceId="i"))
        b.call("is back", api, version, beat(group, "s-3" if version else "", 0, InstanceId="i"))


STORY = [coordinators, joining, static_members, offsets, tools, modern]
