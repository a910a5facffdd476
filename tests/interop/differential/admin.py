"""What administrators ask: elections, reassignments, directories, quotas, ACLs, SCRAM users, features, the quorum, telemetry, tokens."""
import uuid

from differential.logs import written
from differential.topics import UNKNOWN_ID, made

ANY, LITERAL, PREFIXED = 1, 3, 4  # kinds of patterns of ACLs


def electing(b):
    api = "ElectLeaders"
    made(b, "elect", 2)

    def ask(rows, kind=0):
        return {"ElectionType": kind, "TopicPartitions": None if rows is None else [{"Topic": t, "Partitions": p} for t, p in rows], "TimeoutMs": 30000}
    for version in range(b.lowest(api), b.highest(api) + 1):
        for kind in (0, 1, 2, -1) if version else (0,):
            for name, rows in {"one": [("elect", [0])], "both": [("elect", [0, 1])], "partition 9": [("elect", [9])], "partition -1": [("elect", [-1])], "one and one unknown": [("elect", [0, 9])],
                               "unknown": [("nothing", [0])], "no topic": [("", [0])], "bad topic": [("a b", [0])], "no partitions": [("elect", [])], "nothing": [], "all": None,
                               "a partition twice": [("elect", [0, 0])]}.items():
                b.call(f"{name}, kind {kind}", api, version, ask(rows, kind))


def reassigning(b):
    api = "AlterPartitionReassignments"
    made(b, "move", 2)

    def ask(*rows, **more):
        return {"TimeoutMs": 30000, "Topics": [{"Name": t, "Partitions": [{"PartitionIndex": i, "Replicas": r} for i, r in partitions]} for t, partitions in rows], **more}
    for version in range(b.lowest(api), b.highest(api) + 1):
        for name, rows in {"to where it is": [("move", [(0, [1])])], "to nobody": [("move", [(0, [])])], "to an unknown broker": [("move", [(0, [2])])], "to broker -1": [("move", [(0, [-1])])],
                           "twice to the same": [("move", [(0, [1, 1])])], "to one more": [("move", [(0, [1, 2])])], "cancel": [("move", [(0, None)])], "partition 9": [("move", [(9, [1])])],
                           "partition -1": [("move", [(-1, [1])])], "cancel partition 9": [("move", [(9, None)])], "unknown": [("nothing", [(0, [1])])], "no topic": [("", [(0, [1])])],
                           "cancel of an unknown": [("nothing", [(0, None)])], "nothing": [], "no partitions": [("move", [])], "one good, one not": [("move", [(0, [1]), (1, [5])])]}.items():
            b.call(name, api, version, ask(*rows))
            if version >= 1:
                b.call(f"{name}, the factor stays", api, version, ask(*rows, AllowReplicationFactorChange=False))
    api = "ListPartitionReassignments"
    for name, rows in {"all": None, "none": [], "one": [("move", [0])], "partition 9": [("move", [9])], "unknown": [("nothing", [0])], "no topic": [("", [0])], "no partitions": [("move", [])],
                       "twice": [("move", [0, 0])]}.items():
        b.call(name, api, 0, {"TimeoutMs": 30000, "Topics": None if rows is None else [{"Name": t, "PartitionIndexes": p} for t, p in rows]})


def directories(b):
    api = "DescribeLogDirs"
    made(b, "sized", 2)
    written(b, "sized", 0, 5)
    for version in range(b.lowest(api), b.highest(api) + 1):
        for name, rows in {"one": [("sized", [0])], "both": [("sized", [0, 1])], "partition 9": [("sized", [9])], "unknown": [("nothing", [0])], "no topic": [("", [0])], "none": [],
                           "no partitions": [("sized", [])], "a partition twice": [("sized", [0, 0])]}.items():
            answer = b.call(name, api, version, {"Topics": [{"Topic": t, "Partitions": p} for t, p in rows]})
    path = answer["Results"][0]["LogDir"]
    api = "AlterReplicaLogDirs"
    for version in range(b.lowest(api), b.highest(api) + 1):
        for name, where, rows in (("where it is", path, [("sized", [0])]), ("both", path, [("sized", [0, 1])]), ("partition 9", path, [("sized", [9])]), ("partition -1", path, [("sized", [-1])]),
                                  ("unknown", path, [("nothing", [0])]), ("no topic", path, [("", [0])]), ("no such directory", "/no/such/directory", [("sized", [0])]),
                                  ("a relative path", "relative", [("sized", [0])]), ("no path", "", [("sized", [0])]), ("no such directory, unknown", "/no/such/directory", [("nothing", [0])]),
                                  ("no topics", path, []), ("no partitions", path, [("sized", [])])):
            b.call(name, api, version, {"Dirs": [{"Path": where, "Topics": [{"Name": t, "Partitions": p} for t, p in rows]}]})
        b.call("no directories", api, version, {"Dirs": []})
        b.call("two directories", api, version, {"Dirs": [{"Path": where, "Topics": [{"Name": "sized", "Partitions": [i]}]} for i, where in enumerate((path, "/no/such/directory"))]})


def quotas(b):
    alter, describe = "AlterClientQuotas", "DescribeClientQuotas"

    def entry(entity, *ops):
        return {"Entity": [{"EntityType": k, "EntityName": v} for k, v in entity], "Ops": [{"Key": k, "Value": v or 0, "Remove": v is None} for k, v in ops]}

    def ask(*entries, validate=False):
        return {"Entries": list(entries), "ValidateOnly": validate}

    def filters(*rows, strict=False):
        return {"Components": [{"EntityType": k, "MatchType": m, "Match": v} for k, m, v in rows], "Strict": strict}
    rate = ("producer_byte_rate", 1000.0)
    entities = {"user": [("user", "ann")], "client": [("client-id", "app")], "both": [("user", "ann"), ("client-id", "app")], "default user": [("user", None)], "default client": [("client-id", None)],
                "both defaults": [("user", None), ("client-id", None)], "user and default client": [("user", "ann"), ("client-id", None)], "ip": [("ip", "10.1.2.3")], "default ip": [("ip", None)],
                "ip and user": [("ip", "10.1.2.3"), ("user", "ann")], "unknown kind": [("group", "x")], "no kind": [("", "x")], "empty name": [("user", "")], "nobody": [], "user twice": [("user", "ann"), ("user", "bob")],
                "bad ip": [("ip", "nowhere..")], "odd names": [("user", "a b/ü,="), ("client-id", "%2F")]}
    keys = [("producer_byte_rate", 1000.0), ("consumer_byte_rate", 2000.0), ("request_percentage", 12.5), ("controller_mutation_rate", 3.5), ("connection_creation_rate", 10.0), ("no_such_rate", 1.0), ("", 1.0),
            ("producer_byte_rate", 0.0), ("producer_byte_rate", -1.0), ("producer_byte_rate", 1.5), ("producer_byte_rate", float("nan")), ("producer_byte_rate", float("inf")), ("producer_byte_rate", 1e18),
            ("producer_byte_rate", 1e300), ("request_percentage", 0.0), ("request_percentage", 1e9), ("connection_creation_rate", 1.5), ("connection_creation_rate", 0.0), ("connection_creation_rate", -1.0),
            ("producer_byte_rate", 1e-9), ("request_percentage", -0.5), ("consumer_byte_rate", 1000000000000.0), ("connection_creation_rate", 3e9)]
    for version in range(b.lowest(alter), b.highest(alter) + 1):
        for name, entity in entities.items():
            b.call(f"{name}, validate", alter, version, ask(entry(entity, rate), validate=True))
            b.call(f"{name}, remove, validate", alter, version, ask(entry(entity, (rate[0], None)), validate=True))
        for who in ("user", "client", "ip", "both"):
            for key, value in keys:
                b.call(f"{who} {key}={value}, validate", alter, version, ask(entry(entities[who], (key, value)), validate=True))
        b.call("nothing", alter, version, ask())
        b.call("no operation", alter, version, ask(entry(entities["user"])))
        b.call("a key twice", alter, version, ask(entry(entities["user"], rate, ("producer_byte_rate", 5.0)), validate=True))
        b.call("an entity twice", alter, version, ask(entry(entities["user"], rate), entry(entities["user"], keys[1]), validate=True))
        b.call("one good, one bad", alter, version, ask(entry(entities["user"], rate), entry(entities["unknown kind"], rate), validate=True))
        b.call("unknown key removed", alter, version, ask(entry(entities["user"], ("no_such_rate", None)), validate=True))
    for name in ("user", "client", "both", "default user", "default client", "both defaults", "user and default client", "odd names"):
        b.call(f"{name}: set", alter, 1, ask(entry(entities[name], rate, ("request_percentage", 50.0))))
    b.call("ip: set", alter, 1, ask(entry(entities["ip"], ("connection_creation_rate", 10.0)), entry(entities["default ip"], ("connection_creation_rate", 20.0))))
    b.until(lambda a: len(a["Entries"] or []) == 1, describe, 1, filters(("ip", 1, None), strict=True))
    for version in range(b.lowest(describe), b.highest(describe) + 1):
        for strict in (False, True):
            for name, rows in {"everything": [], "user ann": [("user", 0, "ann")], "any user": [("user", 2, None)], "default user": [("user", 1, None)], "client": [("client-id", 0, "app")],
                               "any client": [("client-id", 2, None)], "user and client": [("user", 0, "ann"), ("client-id", 0, "app")], "user and any client": [("user", 0, "ann"), ("client-id", 2, None)],
                               "any user and default client": [("user", 2, None), ("client-id", 1, None)], "ip": [("ip", 0, "10.1.2.3")], "any ip": [("ip", 2, None)], "default ip": [("ip", 1, None)],
                               "unknown ip": [("ip", 0, "10.9.9.9")], "ip and user": [("ip", 2, None), ("user", 2, None)], "unknown kind": [("group", 0, "x")], "no kind": [("", 0, "x")],
                               "kind twice": [("user", 0, "ann"), ("user", 0, "bob")], "match 3": [("user", 3, "ann")], "match -1": [("user", -1, "ann")], "nobody": [("user", 0, "nobody")],
                               "exact without a name": [("user", 0, None)], "default with a name": [("user", 1, "ann")], "any with a name": [("user", 2, "ann")], "odd": [("user", 0, "a b/ü,=")],
                               "empty name": [("user", 0, "")], "bad ip": [("ip", 0, "nowhere..")]}.items():
                b.call(f"{name}{', strict' if strict else ''}", describe, version, filters(*rows, strict=strict))
    b.call("remove", alter, 1, ask(entry(entities["both"], (rate[0], None), ("request_percentage", None))))
    b.call("remove again", alter, 1, ask(entry(entities["both"], (rate[0], None))))
    b.until(lambda a: not a["Entries"], describe, 1, filters(("user", 0, "ann"), ("client-id", 0, "app"), strict=True))
    b.call("removed", describe, 1, filters(("user", 0, "ann")))


def acl(kind=2, name="t", pattern=LITERAL, principal="User:ann", host="*", operation=3, permission=3):
    return {"ResourceType": kind, "ResourceName": name, "ResourcePatternType": pattern, "Principal": principal, "Host": host, "Operation": operation, "PermissionType": permission}


def acl_filter(kind=1, name=None, pattern=ANY, principal=None, host=None, operation=1, permission=1):
    return {"ResourceTypeFilter": kind, "ResourceNameFilter": name, "PatternTypeFilter": pattern, "PrincipalFilter": principal, "HostFilter": host, "Operation": operation, "PermissionType": permission}


BAD_ACLS = {**{f"kind {kind}": {"kind": kind, "name": "kafka-cluster" if kind == 4 else "t", "operation": 8} for kind in (-1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 99)},
            **{f"pattern {pattern}": {"pattern": pattern} for pattern in (-1, 0, 1, 2, 3, 4, 5)}, **{f"operation {operation}": {"operation": operation} for operation in range(-1, 17)},
            **{f"permission {permission}": {"permission": permission} for permission in (-1, 0, 1, 2, 3, 4)},
            **{f"principal {principal!r}": {"principal": principal} for principal in ("", "ann", "User:", "User:*", "Group:x", ":ann", "User:a:b", "User:ü")},
            **{f"host {host!r}": {"host": host} for host in ("", "127.0.0.1", "somewhere", "10.0.0.0/8", "10.0.0.0/33", "::1", "* ")},
            "no name": {"name": ""}, "any name": {"name": "*"}, "prefix *": {"name": "*", "pattern": PREFIXED}, "another cluster": {"kind": 4, "name": "x"}, "bad topic": {"name": "a b"}, "long name": {"name": "x" * 300}}


def acls(b):
    create, describe, delete = "CreateAcls", "DescribeAcls", "DeleteAcls"
    for version in range(b.lowest(create), b.highest(create) + 1):
        for name, row in BAD_ACLS.items():
            if version == 1 and row.get("pattern", LITERAL) != LITERAL and name.startswith("pattern") and row["pattern"] > 4:
                continue
            b.call(name, create, version, {"Creations": [acl(**row)]})
        b.call("nothing", create, version, {"Creations": []})
        b.call("twice", create, version, {"Creations": [acl(), acl()]})
        b.call("one good, one bad", create, version, {"Creations": [acl(), acl(principal="ann")]})
    good = [acl(name="orders"), acl(name="orders", principal="User:bob", operation=4), acl(name="ord", pattern=PREFIXED, principal="User:carl"), acl(name="*", permission=2),
            acl(kind=3, name="g", host="127.0.0.1"), acl(kind=4, name="kafka-cluster", operation=8), acl(kind=5, name="tx", operation=2)]
    b.call("good ones", create, 3, {"Creations": good})
    b.until(lambda a: len(a["Resources"]) == 1, describe, 3, acl_filter(kind=5, name="tx"))
    cases = {"all": {}, **{f"kind {kind}": {"kind": kind} for kind in (-1, 0, 2, 3, 4, 5, 6, 7, 8)}, **{f"pattern {pattern}": {"pattern": pattern} for pattern in (-1, 0, 2, 3, 4, 5)},
             **{f"operation {operation}": {"operation": operation} for operation in (-1, 0, 2, 3, 4, 8, 12, 15, 99)}, **{f"permission {permission}": {"permission": permission} for permission in (-1, 0, 2, 3, 4)},
             **{f"orders, pattern {pattern}": {"kind": 2, "name": "orders", "pattern": pattern} for pattern in (1, 2, 3, 4)}, "ord": {"kind": 2, "name": "ord", "pattern": 2}, "unknown name": {"name": "nothing"},
             "no name": {"name": ""}, "ann": {"principal": "User:ann"}, "bad principal": {"principal": "ann"}, "no principal": {"principal": ""}, "host": {"host": "127.0.0.1"}, "any host": {"host": "*"},
             "no host": {"host": ""}, "all of it": {"kind": 2, "name": "orders", "pattern": LITERAL, "principal": "User:ann", "host": "*", "operation": 3, "permission": 3}}
    for version in range(b.lowest(describe), b.highest(describe) + 1):
        for name, row in cases.items():
            b.call(name, describe, version, acl_filter(**row))
    for version in range(b.lowest(delete), b.highest(delete) + 1):
        for name, row in cases.items():
            if name in ("unknown name", "no name", "bad principal", "no principal", "no host") or row.get("kind") in (-1, 0, 7, 8) or row.get("pattern") in (-1, 0, 5) or row.get("operation") in (-1, 0, 15, 99) or \
                    row.get("permission") in (-1, 0, 4):
                b.call(name, delete, version, {"Filters": [acl_filter(**row)]})
        b.call("nothing", delete, version, {"Filters": []})
        b.call("one, and one bad", delete, version, {"Filters": [acl_filter(name="orders", principal=f"User:{'bob' if version == 1 else 'ann'}", kind=2, pattern=LITERAL), acl_filter(principal="ann")]})
    b.call("matching, and again", delete, 3, {"Filters": [acl_filter(kind=2, name="orders", pattern=2), acl_filter(kind=2)]})
    b.until(lambda a: not a["Resources"], describe, 3, acl_filter(kind=2))
    b.call("what is left", describe, 3, acl_filter())


def users(b):
    describe, alter = "DescribeUserScramCredentials", "AlterUserScramCredentials"

    def upsert(name="ann", mechanism=1, iterations=4096, salt=b"salt", password=b"p" * 32):
        return {"Name": name, "Mechanism": mechanism, "Iterations": iterations, "Salt": salt, "SaltedPassword": password}
    for name, rows in {"all": None, "none": [], "unknown": ["nobody"], "no name": [""], "twice": ["nobody", "nobody"]}.items():
        b.call(name, describe, 0, {"Users": None if rows is None else [{"Name": n} for n in rows]})
    for name, row in {**{f"{i} iterations": {"iterations": i} for i in (-1, 0, 4095, 16385)}, **{f"mechanism {m}": {"mechanism": m} for m in (-1, 0, 3, 99)}, "no name": {"name": ""}}.items():
        b.call(name, alter, 0, {"Deletions": [], "Upsertions": [upsert(**row)]})
    b.call("nothing", alter, 0, {"Deletions": [], "Upsertions": []})
    for mechanism in (1, 2, 0, 9):
        b.call(f"delete what is not there, mechanism {mechanism}", alter, 0, {"Deletions": [{"Name": "ann", "Mechanism": mechanism}], "Upsertions": []})
    b.call("delete without a name", alter, 0, {"Deletions": [{"Name": "", "Mechanism": 1}], "Upsertions": []})
    b.call("twice in one request", alter, 0, {"Deletions": [], "Upsertions": [upsert(), upsert(iterations=5000)]})
    b.call("both mechanisms at once", alter, 0, {"Deletions": [], "Upsertions": [upsert("bob"), upsert("bob", 2, 8192, password=b"q" * 64)]})
    b.call("one mechanism", alter, 0, {"Deletions": [], "Upsertions": [upsert("bob")]})
    b.call("the other mechanism", alter, 0, {"Deletions": [], "Upsertions": [upsert("bob", 2, 8192, password=b"q" * 64)]})
    b.call("deleted and set", alter, 0, {"Deletions": [{"Name": "ann", "Mechanism": 1}], "Upsertions": [upsert()]})
    b.call("set", alter, 0, {"Deletions": [], "Upsertions": [upsert(), upsert("carl", 2, 16384, password=b"q" * 64)]})
    b.call("one good, one bad", alter, 0, {"Deletions": [], "Upsertions": [upsert("dora"), upsert("emil", 7)]})
    b.until(lambda a: all(r["ErrorCode"] == 0 for r in a["Results"]) and len(a["Results"][1]["CredentialInfos"]) == 2, describe, 0, {"Users": [{"Name": n} for n in ("ann", "bob", "carl")]})
    for name, rows in {"all": None, "one": ["ann"], "two": ["ann", "bob"], "known and unknown": ["ann", "nobody"], "twice": ["ann", "ann"], "twice and another": ["ann", "ann", "bob"]}.items():
        b.call(f"set: {name}", describe, 0, {"Users": None if rows is None else [{"Name": n} for n in rows]})
    b.call("delete one", alter, 0, {"Deletions": [{"Name": "bob", "Mechanism": 1}], "Upsertions": []})
    b.until(lambda a: len(a["Results"][0]["CredentialInfos"]) == 1, describe, 0, {"Users": [{"Name": "bob"}]})
    b.call("one is left", describe, 0, {"Users": [{"Name": "bob"}]})
    b.call("delete both, one is not there", alter, 0, {"Deletions": [{"Name": "bob", "Mechanism": m} for m in (1, 2)], "Upsertions": []})


def features(b):
    api = "UpdateFeatures"

    def ask(*rows, validate=True, **more):
        return {"timeoutMs": 30000, "FeatureUpdates": [{"Feature": n, "MaxVersionLevel": level, **way} for n, level, way in rows], "ValidateOnly": validate, **more}
    for version in (1, 2):
        for kind in (-1, 0, 1, 2, 3, 4):
            for name, level in (("metadata.version", 30), ("metadata.version", 29), ("metadata.version", 1), ("metadata.version", 99), ("group.version", 1), ("group.version", 0), ("group.version", 9),
                                ("transaction.version", 2), ("transaction.version", 1), ("transaction.version", 0), ("no.such.version", 1), ("no.such.version", 0), ("", 1), ("metadata.version", 0), ("group.version", -1)):
                b.call(f"{name} {level}, kind {kind}", api, version, ask((name, level, {"UpgradeType": kind})))
        b.call("nothing", api, version, ask())
        b.call("twice", api, version, ask(("group.version", 1, {}), ("group.version", 1, {})))
        b.call("one good, one bad", api, version, ask(("group.version", 1, {}), ("no.such.version", 1, {})))
        b.call("two bad", api, version, ask(("group.version", 7, {}), ("no.such.version", 1, {})))
    for name, level, way in (("metadata.version", 99, {}), ("no.such.version", 1, {}), ("group.version", 9, {"AllowDowngrade": True}), ("group.version", 0, {}), ("transaction.version", 1, {})):
        b.call(f"{name} {level} {way}", api, 0, {"timeoutMs": 30000, "FeatureUpdates": [{"Feature": name, "MaxVersionLevel": level, **way}]})


def quorum(b):
    api = "DescribeQuorum"
    for version in range(b.lowest(api), b.highest(api) + 1):
        for name, rows in {"the log": [("__cluster_metadata", [0])], "partition 1": [("__cluster_metadata", [1])], "partition -1": [("__cluster_metadata", [-1])], "unknown": [("nothing", [0])], "no topic": [("", [0])],
                           "nothing": [], "no partitions": [("__cluster_metadata", [])], "two partitions": [("__cluster_metadata", [0, 1])], "two topics": [("__cluster_metadata", [0]), ("nothing", [0])],
                           "twice": [("__cluster_metadata", [0, 0])]}.items():
            b.call(name, api, version, {"Topics": [{"TopicName": t, "Partitions": [{"PartitionIndex": i} for i in p]} for t, p in rows]})
    api = "UnregisterBroker"
    for broker in (9, -1, 2**31 - 1):
        b.call(f"broker {broker}", api, 0, {"BrokerId": broker})


def telemetry(b):
    for identity in (uuid.UUID(int=0), UNKNOWN_ID):
        b.call(f"subscriptions {identity.int}", "GetTelemetrySubscriptions", 0, {"ClientInstanceId": identity}, connection="telemetry")
        b.call(f"push {identity.int}", "PushTelemetry", 0, {"ClientInstanceId": identity, "SubscriptionId": 5, "Metrics": b""}, connection="telemetry")


def tokens(b):
    for version in range(1, 4):
        for name, values in {"one": {"MaxLifetimeMs": -1}, "with a renewer": {"Renewers": [{"PrincipalType": "User", "PrincipalName": "ann"}], "MaxLifetimeMs": 1000}, "zero": {"MaxLifetimeMs": 0},
                             "bad renewer": {"Renewers": [{"PrincipalType": "Group", "PrincipalName": ""}], "MaxLifetimeMs": 1000}}.items():
            b.call(name, "CreateDelegationToken", version, values)
            if version >= 3:
                b.call(f"{name} of an owner", "CreateDelegationToken", version, {**values, "OwnerPrincipalType": "User", "OwnerPrincipalName": "ann"})
        for name, owners in {"all": None, "none": [], "one": [{"PrincipalType": "User", "PrincipalName": "ann"}]}.items():
            b.call(name, "DescribeDelegationToken", version, {"Owners": owners})
    for api, field in (("RenewDelegationToken", "RenewPeriodMs"), ("ExpireDelegationToken", "ExpiryTimePeriodMs")):
        for version in (1, 2):
            for mac in (b"", b"no such token"):
                for period in (-1, 0, 1000):
                    b.call(f"{mac} {period}", api, version, {"Hmac": mac, field: period})


def sasl(b):
    for version in (0, 1):
        for name in ("PLAIN", "SCRAM-SHA-256", "GSSAPI", "", "x"):
            b.call(f"handshake {name!r}", "SaslHandshake", version, {"Mechanism": name}, connection="sasl")
    for version in (0, 1, 2):
        for data in (b"", b"\0ann\0secret"):
            b.call(f"authenticate {data}", "SaslAuthenticate", version, {"AuthBytes": data}, connection="sasl")


STORY = [electing, reassigning, directories, quotas, acls, users, features, quorum, telemetry, tokens, sasl]
