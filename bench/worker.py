#!/usr/bin/env python3
"""How many records per second the worker layer hands to its threads, on mockbroker.

    ./dev bench worker [--records N] [--runs N] [--write docs/performance.md]

One group of one member reads 12 partitions of records with a key, 100 bytes each.  With a handler that does nothing it is what the layer itself
costs, beside a group that is polled without it (kc perf consume -g); with one that waits a millisecond, as for a database, how near N threads come
to N times one.  Medians; each run has a group of its own.
"""
import argparse
import os
import statistics
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
import matrix  # noqa: E402
import report  # noqa: E402

TOPIC, PARTITIONS, SIZE = "work", 12, 100
WAIT_US = 1000
NO_WAIT, WAITING = (1, 2, 4), (1, 4, 16, 64)


def worker(arguments, broker, threads, wait_us, records):
    command = [os.path.join(arguments.bin, "worker_throughput_bench"), broker.bootstrap, TOPIC, str(records), str(threads), str(wait_us)]
    return [matrix.run(command, 180) for _ in range(arguments.runs)]


def polled(arguments, broker, records):
    results = []
    for i in range(arguments.runs):
        result = matrix.run([os.path.join(arguments.bin, "kc"), "perf", "consume", "-b", broker.bootstrap, "-t", TOPIC, "-g", f"polled-{i}", "-n", str(records)])
        result["cpu_ns"] = (result["cpu_user_s"] + result["cpu_sys_s"]) * 1e9 / result["records"]
        results.append(result)
    return results


def row(name, results):
    def median(key):
        return statistics.median(r[key] for r in results)

    text = f"| {name} | {report.rate({'records_per_s': median('records_per_s')})} | {median('cpu_ns'):,.0f} ns | {median('max_rss_kb') / 1e3:.0f} MB |"
    print(text, flush=True)
    return text


def main():
    parser = argparse.ArgumentParser(prog="./dev bench worker", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", default="build/release/bin", help=argparse.SUPPRESS)
    parser.add_argument("--records", type=int, default=5000000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--write", metavar="PAGE", help="the table into this page, between its markers")
    arguments = parser.parse_args()
    broker = matrix.MockBroker(arguments.bin)
    kc = os.path.join(arguments.bin, "kc")
    try:
        broker.begin()
        subprocess.run([kc, "topic", "create", "-b", broker.bootstrap, TOPIC, "-n", str(PARTITIONS)], stdout=subprocess.DEVNULL, check=True)
        matrix.run([kc, "perf", "produce", "-b", broker.bootstrap, "-t", TOPIC, "-k", "-n", str(arguments.records), "-s", str(SIZE)])
        rows = [row("polled by the application, nothing done", polled(arguments, broker, arguments.records))]
        rows += [row(f"{n} thread{'s' * (n > 1)}, nothing done", worker(arguments, broker, n, 0, arguments.records)) for n in NO_WAIT]
        rows += [row(f"{n} thread{'s' * (n > 1)}, {WAIT_US // 1000} ms each", worker(arguments, broker, n, WAIT_US, 1000 * n)) for n in WAITING]
    except matrix.Failed as e:
        sys.exit(str(e))
    finally:
        broker.close()
    if arguments.write:
        command = " ".join(["./dev bench worker", *report.shown_arguments()])
        report.between_markers(arguments.write, "workers", f"""Written by `{command}` on {report.host()}; medians of {arguments.runs} runs; records with a key, {SIZE} bytes, {PARTITIONS} partitions.

| handler | records per second | processor time per record | memory |
|---|---|---|---|
""" + "\n".join(rows))


if __name__ == "__main__":
    main()
