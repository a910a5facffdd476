"""Metrics of clients (KIP-714): who is asked for what, what is taken of whom, and when it is too early."""
import gzip
import random
import struct
import uuid

from differential.topics import CLIENT_METRICS, DELETE, GROUP, SET

GET, PUSH = "GetTelemetrySubscriptions", "PushTelemetry"
LONG_MS = 300000  # an interval that no story outlives; longer ones are not told
LARGEST = 1000     # telemetry.max.bytes of both
METRICS = bytes.fromhex("0a0912071205") + b"\n\3a.b"  # OTLP: one metric, "a.b"
UNKNOWN_SUBSCRIPTION = 117


def settings(name, *rows):
    return {"Resources": [{"ResourceType": CLIENT_METRICS, "ResourceName": name, "Configs": [{"Name": k, "ConfigOperation": SET if v is not None else DELETE, "Value": v} for k, v in rows]}]}


def subscribe(b, name, **rows):
    answer = b.ask("IncrementalAlterConfigs", 1, settings(name, *((k.replace("_", "."), v) for k, v in rows.items())))
    assert answer["Responses"][0]["ErrorCode"] == 0, answer


def known(b, condition, **options):
    """Until the broker has learned of a change: told to one who never asked before."""
    b.until(condition, GET, 0, {"ClientInstanceId": uuid.UUID(int=0)}, connection="learning", **options)


def only(b, **rows):
    """This subscription and no other, known."""
    listed = b.ask("ListConfigResources", 1, {"ResourceTypes": [CLIENT_METRICS]})
    for row in listed["ConfigResources"]:
        subscribe(b, row["ResourceName"], interval_ms=None, metrics=None, match=None)
    b.wanted = getattr(b, "wanted", 0) + 1
    subscribe(b, f"s{b.wanted}", interval_ms=str(LONG_MS), metrics=f"wanted.{b.wanted}", **rows)
    known(b, lambda a: a["RequestedMetrics"] == [f"wanted.{b.wanted}"])


def client(b):
    """A client instance that nobody else is."""
    b.clients = getattr(b, "clients", 1 << 70) + 1
    return uuid.UUID(int=b.clients)


def get(b, name, identity, **options):
    return b.call(name, GET, 0, {"ClientInstanceId": identity}, **options)


def push(b, name, identity, subscription, metrics=METRICS, codec=0, last=False, **options):
    return b.call(name, PUSH, 0, {"ClientInstanceId": identity, "SubscriptionId": subscription, "Terminating": last, "CompressionType": codec, "Metrics": metrics}, **options)


def subscribed(b, identity, **options):
    """The id of its subscription, as told."""
    return b.ask(GET, 0, {"ClientInstanceId": identity}, **options)["SubscriptionId"]


def compressed(codec, data):
    """Each codec's way to say that what follows is not compressed; gzip is."""
    if codec == 1:
        return gzip.compress(data)
    if codec == 2:  # as snappy-java frames it
        block = bytes([len(data), (len(data) - 1) << 2]) + data
        return b"\x82SNAPPY\0" + struct.pack(">iii", 1, 1, len(block)) + block
    if codec == 3:
        return bytes.fromhex("04224d18604082") + struct.pack("<I", 1 << 31 | len(data)) + data + bytes(4)
    if codec == 4:
        return bytes.fromhex("28b52ffd20") + bytes([len(data)]) + struct.pack("<I", len(data) << 3 | 1)[:3] + data
    return data


def asking(b):
    only(b)
    for number in (0, 0, 2, 3, 1 << 64, (1 << 128) - 1):
        for again in ("", ", again"):
            get(b, f"of {number:x}{again}", uuid.UUID(int=number))
    get(b, "of the reserved id", uuid.UUID(int=1))
    for name in ("a", "b"):
        get(b, f"{name} by another connection", uuid.UUID(int=2), connection=name)
        get(b, f"a new one, {name}", uuid.UUID(int=0), connection=name)
    for client_id in (None, "", "x" * 300):
        get(b, f"client id {str(client_id)[:3]}", client(b), client_id=client_id)


def pushing(b):
    only(b)
    for number in (0, 1, 2):
        push(b, f"of {number}", uuid.UUID(int=number), 5)
    for last in (False, True):
        new = client(b)
        push(b, "one who never asked", new, 5, last=last)
        push(b, "one who never asked, again", new, 5, last=last)
        get(b, "and asks now", new)
    stranger, told = client(b), client(b)
    identity = subscribed(b, told)
    push(b, "as another was told", stranger, identity)
    push(b, "as it was told", told, identity)
    for offset in (1, -1):
        other = client(b)
        right = subscribed(b, other)
        push(b, f"subscription {offset:+}", other, (right + offset + (1 << 31)) % (1 << 32) - (1 << 31))
    for codec in (*range(-3, 12), 127, -128):
        for what, data in (("nothing", b""), ("metrics", METRICS), ("no protobuf", b"\xff" * 20), ("its own", compressed(codec, METRICS)), ("cut", compressed(codec, METRICS)[:-3]), ("gzip", compressed(1, METRICS)),
                           ("too much", bytes(LARGEST + 1)), ("just enough", bytes(LARGEST)), ("much of nothing", gzip.compress(bytes(1 << 16))), ("more of nothing", gzip.compress(bytes(LARGEST + 1))),
                           ("enough of nothing", gzip.compress(bytes(LARGEST)))):
            new = client(b)
            identity = subscribed(b, new)
            push(b, f"codec {codec}, {what}", new, identity, data, codec)
            push(b, f"codec {codec}, {what}, and once more", new, identity, data, codec)
            get(b, f"codec {codec}, {what}, asking again", new)
            push(b, f"codec {codec}, {what}, at last", new, identity, data, codec, last=True)


def too_early(b):
    """Any order of requests of a client for which the next interval never comes."""
    only(b)
    chance = random.Random(1)
    for story in range(60):
        new = client(b)
        identity = subscribed(b, new) if chance.random() < 0.8 else 5
        told = []
        for _ in range(10):
            what = chance.choice(("get", "get", "push", "push", "wrong", "codec", "large", "last", "last wrong", "bytes"))
            told.append(what)
            name = f"{story}: {', '.join(told)}"
            if what == "get":
                identity = get(b, name, new)["SubscriptionId"] or identity
            else:
                push(b, name, new, identity ^ ("wrong" in what), bytes(LARGEST + 1) if what == "large" else METRICS, {"codec": 9, "bytes": 1}.get(what, 0), "last" in what)


def in_time(b):
    """An interval that does end."""
    only(b)
    subscribe(b, "often", interval_ms="100", metrics="often")
    known(b, lambda a: a["PushIntervalMs"] == 100)
    new = client(b)
    get(b, "asked", new)
    for i in range(3):
        answer = b.until(lambda a: a["ErrorCode"] == 0, GET, 0, {"ClientInstanceId": new})
        b.write_down(f"asked after the interval {i}", GET, 0, answer)
        push(b, f"at once {i}", new, answer["SubscriptionId"])
        answer = b.until(lambda a: a["ErrorCode"] == 0, PUSH, 0, {"ClientInstanceId": new, "SubscriptionId": answer["SubscriptionId"], "Metrics": METRICS})
        b.write_down(f"pushed after the interval {i}", PUSH, 0, answer)


def closing(b):
    """The latest client instance of a connection is forgotten with it."""
    only(b)
    first, second, third = client(b), client(b), client(b)
    for name, identity in (("first", first), ("second", second)):
        get(b, f"{name}, by a connection", identity, connection="short")
        get(b, f"{name}, again", identity, connection="short")
    get(b, "third, by another", third, connection="long")
    get(b, "third, by the connection", third, connection="short")
    b.disconnect("short")
    b.until(lambda a: a["ErrorCode"] == 0, GET, 0, {"ClientInstanceId": second}, connection="long")
    for name, identity in (("first", first), ("second", second), ("third", third)):
        get(b, f"{name}, the connection gone", identity, connection="long")


MATCHES = ["client_id=a", "client_id=A", "client_id=.*", "client_id=a.*", "client_id=.", "client_id=(a|b)", "client_id=", "client_id=[a-c]+", "client_id=unknown", " client_id = a ", "client_id=a,client_id=b", "client_id=b,client_id=a",
           "client_software_name=java", "client_software_name=.*", "client_software_name=unknown", "client_software_version=1.*", r"client_software_version=1\.2\.3", "client_software_version=unknown",
           "client_software_name=java,client_software_version=2.*", "client_source_address=127.0.0.1", "client_source_address=10.*", "client_source_address=.*", r"client_source_port=\d+", "client_source_port=9092", "client_source_port=",
           "client_instance_id=.*", "client_instance_id=AAAAAAAAAEAAAAAAAAAAAw", "client_instance_id=A.*", "client_instance_id=x.*", "client_id=a,client_software_name=java,client_software_version=1.2.3", "client_id=(?i)A", "client_id=^a$",
           r"client_id=\w", "client_software_name=librdkafka", "client_id=a|b", "client_id=a?", "client_id=.{1,3}", "client_id=\\Qa\\E", "client_id=[^b]*"]


def matching(b):
    only(b)
    for i, match in enumerate(MATCHES):
        b.call(f"match {match}", "IncrementalAlterConfigs", 1, settings(f"m{i}", ("match", match), ("metrics", f"m{i}."), ("interval.ms", str(LONG_MS - i))))
    subscribe(b, "z", metrics="z.", interval_ms=str(LONG_MS))
    known(b, lambda a: "z." in a["RequestedMetrics"])
    for software in (None, ("java", "1.2.3"), ("java", "2.0"), ("librdkafka", "1.10"), ("unknown", "unknown"), ("JAVA", "1")):
        on = f"of {software}"
        if software:
            b.ask("ApiVersions", 3, {"ClientSoftwareName": software[0], "ClientSoftwareVersion": software[1]}, connection=on)
        for client_id in ("a", "b", "", None, "abc", "unknown", "x" * 200):
            get(b, f"{client_id and client_id[:5]} {on}", client(b), connection=on, client_id=client_id)
    get(b, "of an instance", uuid.UUID(int=(1 << 78) + 3))


def joining(b):
    """Several subscriptions for one client."""
    only(b)
    steps = [("u", {"metrics": "a.,b.", "interval_ms": "500000"}), ("v", {"metrics": "b.,c.", "interval_ms": "200000"}), ("w", {"metrics": "*", "interval_ms": "900000"}), ("w", {"metrics": "d., e. ,f."}), ("w", {"metrics": ""}),
             ("w", {"metrics": " "}), ("v", {"interval_ms": None}), ("w", {"metrics": None}), ("u", {"metrics": "*,a."}), ("v", {"metrics": None}), ("u", {"metrics": "x" * 400}), ("u", {"metrics": None, "interval_ms": None}), ("w", {"interval_ms": None})]
    for i, (name, rows) in enumerate(steps):
        subscribe(b, name, **rows)
        subscribe(b, "step", interval_ms=str(1000 + i), match="client_id=step", metrics="step")
        known(b, lambda a: a["PushIntervalMs"] == 1000 + i, client_id="step")
        get(b, f"{i}: {name} {rows}", client(b))


def changing(b):
    """While a client is known: what it was told counts as long as it is the same."""
    only(b)
    step = [0]

    def changed(name, **rows):
        subscribe(b, name, **rows)
        step[0] += 1
        subscribe(b, "step", interval_ms=str(1000 + step[0]), match="client_id=step", metrics="step")
        known(b, lambda a: a["PushIntervalMs"] == 1000 + step[0], client_id="step")
    clients = {name: client(b) for name in ("asked", "pushed", "last", "wrong", "never")}
    told = {name: subscribed(b, identity) for name, identity in clients.items() if name != "never"}
    told["never"] = 5

    def all_of_them(when):
        for name, identity in clients.items():
            push(b, f"{name}, {when}", identity, told[name] ^ (name == "wrong"), last=name == "last")
        for name, identity in clients.items():
            told[name] = get(b, f"{name}, {when}", identity)["SubscriptionId"] or told[name]
        for name in ("asked", "last"):
            push(b, f"{name}, {when}, after asking", clients[name], told[name])
    all_of_them("at first")
    changed("other", metrics="o.", interval_ms=str(LONG_MS))
    all_of_them("one more")
    changed("other", metrics="o.", interval_ms=str(LONG_MS))
    all_of_them("the same again")
    changed("nobody", metrics="n.", match="client_id=nobody", interval_ms="100")
    all_of_them("for somebody else")
    changed("other", metrics=None, interval_ms=None)
    all_of_them("one less")
    b.ask("IncrementalAlterConfigs", 1, {"Resources": [{"ResourceType": GROUP, "ResourceName": "a-group", "Configs": [{"Name": "consumer.session.timeout.ms", "ConfigOperation": SET, "Value": "50000"}]}]})
    b.until(lambda a: any(c["Name"] == "consumer.session.timeout.ms" and c["Value"] == "50000" for c in a["Results"][0]["Configs"]), "DescribeConfigs", 4,
            {"Resources": [{"ResourceType": GROUP, "ResourceName": "a-group", "ConfigurationKeys": None}]})
    all_of_them("a setting of a group")


STORY = [asking, pushing, too_early, in_time, closing, matching, joining, changing]
