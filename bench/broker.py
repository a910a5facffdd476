#!/usr/bin/env python3
"""mockbroker next to librdkafka's mock cluster and Apache Kafka: start, memory, ingest, 10,000 partitions, 1,000 connections.

    ./dev bench broker [--broker mock,rdkafka,kafka] [--runs 5] [--write docs/performance.md]

start: from exec to the line of JSON (Apache Kafka, one node that has been formatted: until it tells of itself); the mocks have three brokers.
ingest: kc perf with values of 10,000 bytes and batches of 1 MB; bytes of values for each second of the broker's processor time.  partitions:
made (in two requests: Kafka's controller refuses more than 10,000 records in one), told in one Metadata answer, written to with keys.  connections: opened, then all send a Produce and then a Fetch at once.
Memory is what is resident (VmRSS).  librdkafka's mock cluster has its topic from the start, and no replicas.
"""
import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
import matrix  # noqa: E402
import report  # noqa: E402
import wire  # noqa: E402

BROKERS = 3
PERF_LIMIT_S = 300  # of one run: a real broker takes its time with 10,000 partitions
ASKED_AT_ONCE = 5000  # partitions: the controller of Apache Kafka takes up to 10,000 records of metadata from one request
NAMES = {"mock": "mockbroker", "rdkafka": "librdkafka's mock cluster", "kafka": "Apache Kafka"}
ROWS = (("start_ms", "start", "ms"), ("idle_mb", "resident, idle", "MB"), ("ingest_gb_per_core_s", "ingest for each second of one processor", "GB"),
        ("ingest_gb_s", "ingest per second, client on the same machine", "GB"), ("create_s", "making the partitions", "s"),
        ("metadata_ms", "Metadata answer for all of them", "ms"), ("produce_all_s", "records with keys to all of them", "s"),
        ("partitions_mb", "resident after that", "MB"), ("connect_ms", "opening the connections", "ms"),
        ("produce_ms", "a Produce on each at once", "ms"), ("fetch_ms", "a Fetch on each at once", "ms"),
        ("connection_kb", "resident for each connection", "kB"))


class Mock:
    """mockbroker, or librdkafka's, which is told of its topic when it starts."""

    def __init__(self, arguments, kind, topic=None, partitions=0):
        if kind == "mock":
            self.command = [os.path.join(arguments.bin, "mockbroker"), "--listen", "127.0.0.1:0", "--control", "off", "--brokers", str(BROKERS)]
        else:
            self.command = [os.path.join(arguments.bin, "rdkafka_perf"), "mock", "-X", "log_level=3", "-n", str(BROKERS)]
            self.command += ["-t", topic, "-p", str(partitions)] if topic else []
        begun = time.monotonic()
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        self.start_ms = (time.monotonic() - begun) * 1e3
        if not line:
            raise matrix.Failed(f"{self.command[0]} did not start: exit {self.process.wait()}")
        self.bootstrap = json.loads(line)["bootstrap"]
        self.has_topic = kind == "rdkafka"

    def pid(self):
        return self.process.pid

    def close(self):
        self.process.kill()
        self.process.wait()


class Node(matrix.ApacheKafka):
    """One node; its start is that of a node that was there before."""
    has_topic = False

    def __init__(self, arguments, *_):
        super().__init__(arguments.kafka)
        self.kafka.stop_node(1)
        begun = time.monotonic()
        self.kafka.start_node(1)
        self.kafka.wait_ready()
        self.start_ms = (time.monotonic() - begun) * 1e3


def resident_kb(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))


def make_topic(arguments, broker, name, partitions, *configs):
    if broker.has_topic:
        return 0.0
    begun = time.monotonic()
    first = min(partitions, ASKED_AT_ONCE)
    command = [os.path.join(arguments.bin, "kc"), "topic", "create", "-b", broker.bootstrap, name, "-n", str(first), "-T", "240000", *configs]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        raise matrix.Failed(f"no topic: {done.stderr.strip()[-300:]}")
    while first < partitions:
        first = min(partitions, first + ASKED_AT_ONCE)
        with wire.connect(broker.bootstrap.split(",")[0]) as connection:
            connection.sendall(wire.grow(name, first, wire.LIMIT_S))
            error = wire.grown(wire.receive(connection))
        if error:
            raise matrix.Failed(f"no {first} partitions: error {error}")
    return time.monotonic() - begun


def kc_perf(arguments, broker, *options):
    return matrix.run([os.path.join(arguments.bin, "kc"), "perf", "produce", "-b", broker.bootstrap, *options], PERF_LIMIT_S)


def ask(broker, topic, partitions):
    """An answer to Metadata that tells all leaders, and how long the last one took."""
    address = broker.bootstrap.split(",")[0]
    for _ in range(600):
        with wire.connect(address) as connection:
            begun = time.monotonic()
            connection.sendall(wire.metadata(topic))
            answer = wire.receive(connection)
            took = time.monotonic() - begun
        told = wire.leaders(answer)
        if len(told) >= partitions and all(told.values()):
            return told, took * 1e3
        time.sleep(0.1)  # real brokers elect for a while
    raise matrix.Failed(f"{len(told)} of {partitions} partitions have a leader")


def idle(arguments, open_broker):
    starts, sizes = [], []
    for _ in range(arguments.runs):
        broker = open_broker()
        starts.append(broker.start_ms)
        sizes.append(resident_kb(broker.pid()) / 1e3)
        broker.close()
        if isinstance(broker, Node):
            break
    return {"start_ms": statistics.median(starts), "idle_mb": statistics.median(sizes)}


def ingest(arguments, open_broker):
    broker = open_broker("ingest", 12)
    try:
        make_topic(arguments, broker, "ingest", 12, "-c", f"retention.bytes={report.KEPT_BYTES // 12}")
        options = ["-t", "ingest", "-s", "10000", "-n", str(int(arguments.bytes / 10000)), "-X", "batch.size=1000000", "-X", "acks=all"]
        kc_perf(arguments, broker, *options[:4], "-n", str(report.KEPT_BYTES // 8000), *options[6:])  # the first pages of memory
        rates, per_core = [], []
        for _ in range(arguments.runs):
            before = matrix.cpu_s(broker.pid())
            result = kc_perf(arguments, broker, *options)
            rates.append(result["mb_per_s"] / 1e3)
            per_core.append(result["bytes"] / 1e9 / max(0.01, matrix.cpu_s(broker.pid()) - before))
        return {"ingest_gb_s": statistics.median(rates), "ingest_gb_per_core_s": statistics.median(per_core)}
    finally:
        broker.close()


def many_partitions(arguments, open_broker):
    broker = open_broker("many", arguments.partitions)
    try:
        created = make_topic(arguments, broker, "many", arguments.partitions)
        ask(broker, "many", arguments.partitions)
        metadata_ms = statistics.median(ask(broker, "many", arguments.partitions)[1] for _ in range(arguments.runs))
        result = kc_perf(arguments, broker, "-t", "many", "-k", "-n", str(20 * arguments.partitions), "-s", "100")
        return {"create_s": created, "metadata_ms": metadata_ms, "produce_all_s": result["seconds"], "partitions_mb": resident_kb(broker.pid()) / 1e3}
    finally:
        broker.close()


def exchange(connections, requests):
    begun = time.monotonic()
    for connection, data in zip(connections, requests):
        connection.sendall(data)
    for connection in connections:
        wire.receive(connection)
    return (time.monotonic() - begun) * 1e3


def many_connections(arguments, open_broker):
    broker = open_broker("meet", BROKERS)
    connections = []
    try:
        make_topic(arguments, broker, "meet", BROKERS)
        told, _ = ask(broker, "meet", BROKERS)
        partitions = [i % BROKERS for i in range(arguments.connections)]
        before, begun = resident_kb(broker.pid()), time.monotonic()
        connections = [wire.connect(told[p]) for p in partitions]
        took = (time.monotonic() - begun) * 1e3
        records = wire.batch(b"a record of a connection")
        produced = exchange(connections, [wire.produce("meet", p, records) for p in partitions])
        fetched = exchange(connections, [wire.fetch("meet", p) for p in partitions])
        return {"connect_ms": took, "produce_ms": produced, "fetch_ms": fetched, "connection_kb": (resident_kb(broker.pid()) - before) / len(connections)}
    finally:
        for connection in connections:
            connection.close()
        broker.close()


def measure(arguments, kind):
    result = {"broker": kind}

    def open_broker(topic=None, partitions=0):
        return Node(arguments) if kind == "kafka" else Mock(arguments, kind, topic, partitions)

    for part in (idle, ingest, many_partitions, many_connections):
        try:
            result.update({k: round(v, 3) for k, v in part(arguments, open_broker).items()})
        except (matrix.Failed, OSError, ValueError, RuntimeError, subprocess.SubprocessError) as e:
            result.setdefault("failed", {})[part.__name__] = str(e)
        print(f"{NAMES[kind]}, {part.__name__}: " + (result.get("failed", {}).get(part.__name__) or "done"), flush=True)
    return result


def shown(value):
    return "-" if value is None else f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 1 else f"{value:.2f}"


def page_text(arguments, results):
    command = " ".join(["./dev bench broker", *report.shown_arguments()])
    text = f"""Written by `{command}` on {report.host()}; medians of {arguments.runs} runs where it can be repeated; {BROKERS} brokers (Apache Kafka {os.path.basename(os.path.normpath(arguments.kafka))}: one
node), {arguments.partitions:,} partitions, {arguments.connections:,} connections. `bench/broker.py` says how it is measured.

| | unit | """ + " | ".join(NAMES[r["broker"]] for r in results) + " |\n|---|---|" + "---|" * len(results) + "\n"
    for key, name, unit in ROWS:
        text += f"| {name} | {unit} | " + " | ".join(shown(r.get(key)) for r in results) + " |\n"
    for r in results:
        for part, why in r.get("failed", {}).items():
            text += f"\n{NAMES[r['broker']]}, {part.replace('_', ' ')}: {why}\n"
    return text


def main():
    parser = argparse.ArgumentParser(prog="./dev bench broker", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", default="build/release/bin", help=argparse.SUPPRESS)
    parser.add_argument("--kafka", default="build/kafka/4.3.1", help="folder whose libs/ has the jars")
    parser.add_argument("--broker", default="mock,rdkafka,kafka")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--partitions", type=int, default=10000)
    parser.add_argument("--connections", type=int, default=1000)
    parser.add_argument("--bytes", type=float, default=2e9, help="of one run of ingest")
    parser.add_argument("--out", default="build/bench/broker.jsonl")
    parser.add_argument("--write", metavar="PAGE", help="the table into this page, between its markers")
    arguments = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4 * arguments.connections + 40000), hard))  # the brokers inherit it
    results = [measure(arguments, kind) for kind in arguments.broker.split(",")]
    os.makedirs(os.path.dirname(arguments.out) or ".", exist_ok=True)
    with open(arguments.out, "w", encoding="utf-8") as out:
        out.writelines(json.dumps(r) + "\n" for r in results)
    text = page_text(arguments, results)
    print(text)
    if arguments.write:
        report.between_markers(arguments.write, "brokers", text)


if __name__ == "__main__":
    main()
