#!/usr/bin/env python3
"""kclient against librdkafka on the same mockbroker process, run in turn; medians and ratios.

Both get the same acks (all), idempotence (on), linger (5 ms; 0 for latency) and compression; each its own defaults otherwise, except that
librdkafka's queue limits are raised so that they do not hold it back.  The topic keeps at most --retention bytes per partition.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
import report  # noqa: E402

SHARED = ["-X", "acks=all", "-X", "enable.idempotence=true"]
RDKAFKA = ["-X", "queue.buffering.max.messages=2000000", "-X", "queue.buffering.max.kbytes=1048576"]
RDKAFKA_CONSUME = ["-X", "queued.min.messages=1000000", "-X", "fetch.message.max.bytes=1048576"]


class Broker:
    def __init__(self, path, partitions, retention):
        options = [] if not retention else [f":1:retention.bytes={retention}"]
        topics = [f"t{size}:{partitions}" + "".join(options) for size in ("p", "c")]
        command = [path, "--listen", "127.0.0.1:0", "--control", "off", "--topic", topics[0], "--topic", f"tc:{partitions}"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.bootstrap = json.loads(self.process.stdout.readline())["bootstrap"]

    def cpu(self):
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as f:
            fields = f.read().rsplit(") ", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self):
        self.process.terminate()
        self.process.wait()


def run(command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    try:
        return json.loads(done.stdout.strip().splitlines()[-1])
    except (IndexError, ValueError):
        sys.exit(f"{' '.join(command)}: exit {done.returncode}: {done.stderr.strip()[-500:]}")


def median(results, key):
    return statistics.median(r[key] for r in results)


def cpu_ns(results):
    return statistics.median((r["cpu_user_s"] + r["cpu_sys_s"]) * 1e9 / max(1, r["records"]) for r in results)


def compare(arguments, what, size, records):
    """Runs both in turn; each measurement has a broker of its own, so that no run inherits another's memory."""
    sides = {"kclient": [], "librdkafka": []}
    for _ in range(arguments.runs):
        for side, results in sides.items():
            broker = Broker(os.path.join(arguments.bin, "mockbroker"), arguments.partitions, arguments.retention)
            try:
                tool = [os.path.join(arguments.bin, "kc"), "perf"] if side == "kclient" else [os.path.join(arguments.bin, "rdkafka_perf")]
                common = ["-b", broker.bootstrap, "-n", str(records), "-s", str(size)]
                if what == "consume":
                    loader = [os.path.join(arguments.bin, "kc"), "perf", "produce", "-t", "tc", *common]
                    run(loader)
                    extra = [] if side == "kclient" else RDKAFKA_CONSUME
                    result = run([*tool, "consume", "-t", "tc", *common, *extra])
                else:
                    linger = ["-X", f"linger.ms={0 if what == 'latency' else 5}"]
                    run([os.path.join(arguments.bin, "kc"), "perf", "produce", "-b", broker.bootstrap, "-t", "tp", "-n", str(report.KEPT_BYTES // 800), "-s", "1000"])
                    codec = ["-X", f"compression.type={arguments.codec}"]
                    extra = [] if side == "kclient" else RDKAFKA
                    result = run([*tool, what, "-t", "tp", *common, *SHARED, *linger, *codec, *extra])
                result["broker_cpu_s"] = broker.cpu()
                if result["errors"]:
                    sys.exit(f"{side}: {result['errors']} errors")
                results.append(result)
            finally:
                broker.stop()
    return sides


def row(what, size, sides):
    """A line of the table in docs/performance.md."""
    ours, theirs = sides["kclient"], sides["librdkafka"]
    if what == "latency":
        return [f"| {name}, 10,000 records/s, linger 0 | {median(ours, key):.0f} us | {median(theirs, key):.0f} us | {median(ours, key) / max(1, median(theirs, key)):.2f} |"
                for name, key in (("latency p50", "p50_us"), ("latency p99", "p99_us"), ("latency p99.9", "p999_us"))]
    rate, other = median(ours, "records_per_s") / 1e6, median(theirs, "records_per_s") / 1e6
    return [f"| {what}, {size} bytes | {rate:.2f} M/s, {median(ours, 'mb_per_s'):.0f} MB/s | {other:.2f} M/s, {median(theirs, 'mb_per_s'):.0f} MB/s | x{rate / other:.2f} |",
            f"| {what}, {size} bytes, processor time per record | {cpu_ns(ours):.0f} ns | {cpu_ns(theirs):.0f} ns | 1/{cpu_ns(theirs) / cpu_ns(ours):.1f} |"]


def write_page(path, arguments, rows):
    command = " ".join(["./dev bench", *sys.argv[3:]])
    report.between_markers(path, "comparison", f"""Written by `{command}` on {report.host()}; medians of {arguments.runs} runs, taken in turn, each with a mockbroker process of its own; {arguments.partitions} partitions,
`acks=all`, idempotence on, `linger.ms=5` (latency: 0), codec {arguments.codec}. librdkafka uses its batch interfaces and raised queue limits (`bench/rdkafka_perf.c`);
kclient its defaults (`kc perf`). Client and broker share the processors, so the broker's time bounds the larger records.

| | kclient | librdkafka | ratio |
|---|---|---|---|
""" + "\n".join(rows))


def tell(what, size, sides):
    ours, theirs = sides["kclient"], sides["librdkafka"]
    if what == "latency":
        for key in ("p50_us", "p99_us", "p999_us"):
            print(f"latency {size:>6} B  {key:8}  kclient {median(ours, key):10.0f} us    librdkafka {median(theirs, key):10.0f} us    "
                  f"ratio {median(ours, key) / max(1, median(theirs, key)):.2f}")
        return
    rate, other = median(ours, "records_per_s"), median(theirs, "records_per_s")
    print(f"{what:8}{size:>6} B  kclient {rate / 1e6:7.2f} M/s {median(ours, 'mb_per_s'):8.0f} MB/s {cpu_ns(ours):7.0f} ns cpu/record    "
          f"librdkafka {other / 1e6:7.2f} M/s {median(theirs, 'mb_per_s'):8.0f} MB/s {cpu_ns(theirs):7.0f} ns    "
          f"speed x{rate / other:.2f}  cpu /{cpu_ns(theirs) / cpu_ns(ours):.2f}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", default="build/release/bin")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--sizes", default="10,100,1000")
    parser.add_argument("--what", default="produce,consume,latency")
    parser.add_argument("--partitions", type=int, default=12)
    parser.add_argument("--bytes", type=float, default=1e9, help="of values in one produce run, about")
    parser.add_argument("--retention", type=int, default=report.KEPT_BYTES // 12, help="bytes a partition keeps while producing; 0: all")
    parser.add_argument("--codec", default="none")
    parser.add_argument("--write", metavar="PAGE", help="write the table to this page, as docs/performance.md")
    arguments = parser.parse_args()
    begun, rows = time.monotonic(), []
    for what in arguments.what.split(","):
        for size in [int(s) for s in arguments.sizes.split(",")]:
            if what == "latency" and size != 100:
                continue
            records = 100000 if what == "latency" else int(min(10e6, max(1e5, arguments.bytes / (size + 20))))
            sides = compare(arguments, what, size, records)
            tell(what, size, sides)
            rows += row(what, size, sides)
    if arguments.write:
        write_page(arguments.write, arguments, rows)
    print(f"medians of {arguments.runs}, {arguments.partitions} partitions, codec {arguments.codec}, {os.cpu_count()} processors, "
          f"{time.monotonic() - begun:.0f} s")


if __name__ == "__main__":
    main()
