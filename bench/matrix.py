#!/usr/bin/env python3
"""kclient, librdkafka, the Java client and franz-go on the same brokers in turn: mockbroker and Apache Kafka.

    ./dev bench matrix [--quick] [--clients kclient,librdkafka,java,franz] [--broker mock|kafka|mock,kafka] [--write docs/performance.md]

Sizes of values, codecs, numbers of partitions and application threads; producing, consuming (each record is visited) and latency.  All get
acks=all, idempotence, linger 5 ms (latency: 0) and the codec; each its own defaults otherwise, but that librdkafka's and franz-go's limits of
queued records are raised so that they do not hold them back.  With a codec every value differs and compresses to about a third; without one
all are the same.  A run ends after --seconds, or when it has moved --bytes.  The clients take turns, run by run; what is told is the median.

It takes --minutes at most: when they run short, cells get fewer runs, and the last ones none, which is told.  Each result is a line of JSON
in build/bench/matrix.jsonl, from which `--render` makes the tables and the plot again.
"""
import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
import report  # noqa: E402

CLIENTS = ("kclient", "librdkafka", "java", "franz")
SIZES = (10, 100, 1000, 10000)
CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
SHARED = ["-X", "acks=all", "-X", "enable.idempotence=true"]
RDKAFKA = {"produce": ["-X", "queue.buffering.max.messages=2000000", "-X", "queue.buffering.max.kbytes=1048576"],
           "consume": ["-X", "queued.min.messages=1000000", "-X", "fetch.message.max.bytes=1048576"]}
LATENCY_RATE = 10000
RUN_LIMIT_S = 90  # a run that is still there is killed and counts as failed
RECORD_OVERHEAD = 20  # about, in a batch; for the number of records that make --bytes


def cell(what, size=100, codec="none", partitions=12, threads=1):
    return {"what": what, "size": size, "codec": codec, "partitions": partitions, "threads": threads}


def cells(quick):
    """The most telling first: the end is what is left out when time is short."""
    result = [cell("latency")]
    for what in ("produce", "consume"):
        result += [cell(what, size=s) for s in SIZES]
    for what in ("produce", "consume"):
        result += [cell(what, codec=c) for c in CODECS[1:]]
        result += [cell(what, partitions=p) for p in (1, 1000)]
        result += [cell(what, threads=2)]
    if not quick:
        for size in (1000, 10, 10000):
            for what in ("produce", "consume"):
                result += [cell(what, size=size, codec=c) for c in CODECS[1:]]
        result += [cell(what, size=1000, partitions=p) for what in ("produce", "consume") for p in (1, 1000)]
    return result


class MockBroker:
    name = "mock"

    def __init__(self, bin_folder):
        self.path = os.path.join(bin_folder, "mockbroker")
        self.process = None

    def begin(self):
        """A process for each cell: no run inherits another's memory."""
        self.process = subprocess.Popen([self.path, "--listen", "127.0.0.1:0", "--control", "off"], stdout=subprocess.PIPE, text=True)
        self.bootstrap = json.loads(self.process.stdout.readline())["bootstrap"]

    def pid(self):
        return self.process.pid

    def end(self):
        if self.process:
            self.process.terminate()
            self.process.wait()
            self.process = None

    close = end


class ApacheKafka:
    """One node for all cells; what a cell wrote is deleted at once."""
    name = "kafka"

    def __init__(self, folder):
        sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "interop"))
        import kafka_cluster
        kafka_cluster.HEAP = "-Xmx1g"
        kafka_cluster.FAST_JVM = ["-Xshare:auto"]
        self.folder = folder
        self.kafka = kafka_cluster.Kafka(folder, properties={"log.segment.delete.delay.ms": 1000, "log.retention.check.interval.ms": 1000,
                                                             "auto.create.topics.enable": "false"})
        self.kafka.__enter__()
        self.bootstrap = self.kafka.bootstrap

    def begin(self):
        pass

    def pid(self):
        return self.kafka.processes[1].pid

    def end(self):
        pass

    def close(self):
        self.kafka.__exit__(None, None, None)


def cpu_s(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        fields = f.read().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def programs(arguments):
    """The command of each client that is there, and why the others are not."""
    here = os.path.dirname(os.path.abspath(__file__))
    work = os.path.join("build", "bench")
    os.makedirs(work, exist_ok=True)
    found, missing = {}, {}
    for name in arguments.clients.split(","):
        if name == "kclient":
            found[name] = [os.path.join(arguments.bin, "kc"), "perf"]
        elif name == "librdkafka":
            path = os.path.join(arguments.bin, "rdkafka_perf")
            if os.path.exists(path):
                found[name] = [path]
            else:
                missing[name] = "librdkafka-dev was not installed when the tree was built"
        elif name == "java":
            libs = os.path.join(arguments.kafka, "libs", "*")
            done = subprocess.run(["javac", "-cp", libs, "-d", os.path.join(work, "java"), os.path.join(here, "java", "Perf.java")],
                                  capture_output=True, text=True, check=False) if shutil.which("javac") else None
            if done and done.returncode == 0:
                found[name] = ["java", "-Xmx1g", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error", "-cp", os.path.join(work, "java") + ":" + libs, "Perf"]
            else:
                missing[name] = "it does not compile: " + done.stderr.strip()[-200:] if done else "there is no javac"
        elif name == "franz":
            path = os.path.abspath(os.path.join(work, "franz_perf"))
            done = subprocess.run(["go", "build", "-o", path, "."], cwd=os.path.join(here, "go"), capture_output=True, text=True, timeout=600,
                                  check=False) if shutil.which("go") else None
            if done and done.returncode == 0:
                found[name] = [path]
            else:
                missing[name] = "it does not compile: " + done.stderr.strip()[-200:] if done else "there is no Go"
        else:
            sys.exit(f"there is no client {name}: {', '.join(CLIENTS)}")
    return found, missing


class Failed(Exception):
    pass


def run(command, limit_s=RUN_LIMIT_S):
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit_s, check=False)
    except subprocess.TimeoutExpired:
        raise Failed(f"not done after {limit_s} s") from None
    try:
        result = json.loads(done.stdout.strip().splitlines()[-1])
    except (IndexError, ValueError):
        raise Failed(f"exit {done.returncode}: {done.stderr.strip()[-300:]}") from None
    if result["errors"] or not result["records"]:
        raise Failed(f"{result['records']} records, {result['errors']} errors")
    return result


class Matrix:
    def __init__(self, arguments, clients, out):
        self.arguments, self.clients, self.out = arguments, clients, out
        self.kc = os.path.join(arguments.bin, "kc")
        self.topics = self.turn = 0

    def warm_up(self, broker):
        """A JVM is slow until it has compiled what it runs: many small requests, then large ones, then reading."""
        name = self.make_topic(broker, cell("consume"))
        common = ["-b", broker.bootstrap, "-t", name]
        run([self.kc, "perf", "produce", *common, "-R", "5000", "-B", "1", "-d", "5", "-X", "linger.ms=0"])
        run([self.kc, "perf", "produce", *common, "-n", "100000000", "-d", "3"])
        run([self.kc, "perf", "consume", *common, "-n", "100000000", "-d", "3"])
        self.delete_topic(broker, name)

    def make_topic(self, broker, c):
        self.topics += 1
        name = f"t{self.topics}"
        retention = [] if c["what"] == "consume" else ["-c", f"retention.bytes={max(1 << 16, report.KEPT_BYTES // c['partitions'])}"]
        done = subprocess.run([self.kc, "topic", "create", "-b", broker.bootstrap, name, "-n", str(c["partitions"]), "-T", "60000", *retention,
                               "-c", "max.message.bytes=1048588"], capture_output=True, text=True, check=False)
        if done.returncode:
            raise Failed(f"no topic: {done.stderr.strip()[-300:]}")
        return name

    def delete_topic(self, broker, name):
        if broker.name == "kafka":
            subprocess.run([self.kc, "topic", "delete", "-b", broker.bootstrap, name, "-T", "60000"], capture_output=True, check=False)

    def records(self, broker, c):
        bytes_most = self.arguments.bytes if broker.name == "mock" else self.arguments.bytes / 2
        return max(1000, int(min(20e6, bytes_most / (c["size"] + RECORD_OVERHEAD))))

    def load(self, broker, c):
        name = self.make_topic(broker, c)
        varied = ["-V"] if c["codec"] != "none" else []
        command = [self.kc, "perf", "produce", "-b", broker.bootstrap, "-t", name, "-n", str(self.records(broker, c)), "-s", str(c["size"]), *varied,
                   "-X", f"compression.type={c['codec']}", "-d", "20"]
        return name, run(command)["records"]

    def measure(self, broker, c, client, name, records):
        common = ["-b", broker.bootstrap, "-t", name, "-s", str(c["size"])]
        if c["what"] == "latency":
            common += ["-n", str(int(LATENCY_RATE * self.arguments.seconds)), "-R", str(LATENCY_RATE), *SHARED, "-X", "linger.ms=0"]
        else:
            common += ["-n", str(records), "-d", str(self.arguments.seconds), "-j", str(c["threads"])]
        if c["what"] == "produce":
            common += [*SHARED, "-X", "linger.ms=5", "-X", f"compression.type={c['codec']}", *(["-V"] if c["codec"] != "none" else [])]
        if client == "librdkafka":
            common += RDKAFKA["consume" if c["what"] == "consume" else "produce"]
        before = cpu_s(broker.pid())
        result = run([*self.clients[client], c["what"], *common])
        result["broker_cpu_s"] = round(cpu_s(broker.pid()) - before, 3)
        return result

    def measure_again(self, *cell):
        """Once more where a run brought nothing: on a busy machine a client may not get going in its second."""
        try:
            return self.measure(*cell)
        except Failed as e:
            print(f"once more: {e}", flush=True)
            return self.measure(*cell)

    def cell(self, broker, c, runs):
        """The clients in turn, `runs` times; lines of JSON."""
        results, failures = {name: [] for name in self.clients}, {}
        try:
            broker.begin()
            name, records = self.load(broker, c) if c["what"] == "consume" else (self.make_topic(broker, c), self.records(broker, c))
            if c["what"] != "consume":  # the first records of each partition are nobody's, nor are the first pages of the broker's memory
                common = [self.kc, "perf", "produce", "-b", broker.bootstrap, "-t", name]
                run([*common, "-k", "-n", str(20 * c["partitions"]), "-s", "10"])
                run([*common, "-n", str(report.KEPT_BYTES // 800), "-s", "1000", "-d", "10"])
            order = list(self.clients)
            for _ in range(runs):
                self.turn += 1  # another one begins each time
                for client in order[self.turn % len(order):] + order[:self.turn % len(order)]:
                    if client in failures:
                        continue
                    try:
                        results[client].append(self.measure_again(broker, c, client, name, records))
                    except Failed as e:
                        failures[client] = str(e)
            self.delete_topic(broker, name)
        except (Failed, OSError, ValueError) as e:  # also: the broker did not start
            failures = {client: str(e) for client in self.clients}
        finally:
            broker.end()
        for client in self.clients:
            line = {**c, "broker": broker.name, "client": client, "runs": len(results[client])}
            if client in failures:
                line["failed"] = failures[client]
            elif results[client]:
                line.update(summary(results[client]))
            self.out.write(json.dumps(line) + "\n")
            self.out.flush()
            print(report.line(line), flush=True)


def summary(results):
    def median(key):
        return statistics.median(r[key] for r in results)

    line = {"records_per_s": median("records_per_s"), "mb_per_s": median("mb_per_s"), "max_rss_kb": median("max_rss_kb"),
            "cpu_ns": statistics.median((r["cpu_user_s"] + r["cpu_sys_s"]) * 1e9 / r["records"] for r in results),
            "broker_cpu_ns": statistics.median(r["broker_cpu_s"] * 1e9 / r["records"] for r in results),
            "spread": round(max(r["records_per_s"] for r in results) / max(1, min(r["records_per_s"] for r in results)), 2)}
    line.update({key: median(key) for key in ("p50_us", "p99_us", "p999_us") if key in results[0]})
    return {k: round(v, 2) for k, v in line.items()}


def run_all(arguments, out):
    clients, missing = programs(arguments)
    for name, why in missing.items():
        print(f"{name} is left out: {why}")
    out.write(json.dumps({"about": report.about(arguments, clients, missing)}) + "\n")
    begun, matrix, left_out = time.monotonic(), Matrix(arguments, clients, out), 0
    wanted = arguments.broker.split(",")
    for index, name in enumerate(wanted):
        broker = MockBroker(arguments.bin) if name == "mock" else ApacheKafka(arguments.kafka)
        todo = [c for c in cells(arguments.quick) if not arguments.only or c["what"] in arguments.only.split(",")][:arguments.cells or None]
        end = begun + arguments.minutes * 60 * (index + 1) / len(wanted)
        took = len(clients) * (arguments.seconds + 1) + 3.0  # one turn of a cell, a first guess
        try:
            if name == "kafka":
                matrix.warm_up(broker)
            for i, c in enumerate(todo):
                share = (end - time.monotonic()) / (len(todo) - i)
                if end - time.monotonic() < took:
                    left_out += 1
                    continue
                runs = max(1, min(arguments.runs, int(share / took)))
                print(f"-- {broker.name} {i + 1}/{len(todo)}, {runs} runs, {end - time.monotonic():.0f} s left", flush=True)
                cell_begun = time.monotonic()
                matrix.cell(broker, c, runs)
                took = 0.7 * took + 0.3 * (time.monotonic() - cell_begun) / runs
        finally:
            broker.close()
    print(f"{time.monotonic() - begun:.0f} s" + (f"; {left_out} cells were left out: no time" if left_out else ""))


def main():
    parser = argparse.ArgumentParser(prog="./dev bench matrix", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", default="build/release/bin", help=argparse.SUPPRESS)
    parser.add_argument("--kafka", default="build/kafka/4.3.1", help="folder whose libs/ has the jars")
    parser.add_argument("--quick", action="store_true", help="fewer cells, one run of a second: below 8 minutes; else below 40")
    parser.add_argument("--clients", default=",".join(CLIENTS))
    parser.add_argument("--broker", default="mock,kafka")
    parser.add_argument("--only", default="", help="produce, consume, latency")
    parser.add_argument("--cells", type=int, default=0, help="the first so many cells of each broker")
    parser.add_argument("--runs", type=int, help="at most, per cell and client (5; quick: 1)")
    parser.add_argument("--seconds", type=int, default=1, help="of a run")
    parser.add_argument("--bytes", type=float, default=1e9, help="of a run, about; half of it on Apache Kafka")
    parser.add_argument("--minutes", type=float, help="ceiling for all (38; quick: 7.5)")
    parser.add_argument("--out", default="build/bench/matrix.jsonl")
    parser.add_argument("--write", metavar="PAGE", help="tables into this page, between its markers, and a plot beside it")
    parser.add_argument("--render", action="store_true", help="run nothing: write from --out")
    arguments = parser.parse_args()
    arguments.runs = arguments.runs or (1 if arguments.quick else 5)
    arguments.minutes = arguments.minutes or (7.5 if arguments.quick else 38)
    if not arguments.render:
        os.makedirs(os.path.dirname(arguments.out), exist_ok=True)
        with open(arguments.out, "w", encoding="utf-8") as out:
            run_all(arguments, out)
    if arguments.write:
        report.write_matrix(arguments.write, arguments.out)


if __name__ == "__main__":
    main()
