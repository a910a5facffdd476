#!/usr/bin/env python3
"""What faults cost the requests that they do not meet: processor time of mockbroker for a small request, in turn for each state of the faults.

    ./dev bench faults [--runs 9] [--requests 40000]

A request is a Produce of one record, one of 200 that are sent at once on one connection; the time is that of all threads of the process
(/proc/PID/task/*/schedstat), so other load on the machine does not count as such.  The states take turns in each run.  "never" is a process of its own.
"""
import argparse
import glob
import json
import os
import statistics
import subprocess
import sys
import urllib.request

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
import wire  # noqa: E402

AT_ONCE = 200
OTHER = {"match": {"api": "OffsetCommit", "group": "nobody"}, "action": "silence"}
STATES = (("never", "no fault was ever armed", None), ("removed", "faults were armed and removed", 0), ("one", "one is armed, for another API", 1),
          ("hundred", "100 are armed, for another API", 100))


class Broker:
    """A mockbroker with one topic, and a connection to it."""

    def __init__(self, folder):
        command = [os.path.join(folder, "mockbroker"), "--listen", "127.0.0.1:0", "--control", "127.0.0.1:0", "--topic", "t:1:1:retention.bytes=1000000"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.about = json.loads(self.process.stdout.readline())
        self.connection = wire.connect(self.about["bootstrap"])

    def control(self, method, body=None):
        request = urllib.request.Request(self.about["control"] + "/v1/faults", method=method, data=None if body is None else json.dumps(body).encode())
        with urllib.request.urlopen(request, timeout=wire.LIMIT_S) as answer:
            return json.load(answer)

    def arm(self, count):
        self.control("POST", OTHER)
        self.control("DELETE")
        if count:
            self.control("POST", [OTHER] * count)

    def cpu_ns(self):
        total = 0
        for path in glob.glob(f"/proc/{self.process.pid}/task/*/schedstat"):
            with open(path, encoding="ascii") as f:
                total += int(f.read().split()[0])
        return total

    def request_us(self, requests):
        """Processor time for each of so many requests."""
        block = wire.produce("t", 0, wire.batch(b"a record")) * AT_ONCE
        before = self.cpu_ns()
        for _ in range(requests // AT_ONCE):
            self.connection.sendall(block)
            for _ in range(AT_ONCE):
                wire.receive(self.connection)
        return (self.cpu_ns() - before) / 1e3 / (requests // AT_ONCE * AT_ONCE)

    def close(self):
        self.connection.close()
        self.process.terminate()
        self.process.wait()


def main():
    parser = argparse.ArgumentParser(prog="./dev bench faults", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", default="build/release/bin", help=argparse.SUPPRESS)
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--requests", type=int, default=40000, help="of each run and state")
    arguments = parser.parse_args()
    plain, other = Broker(arguments.bin), Broker(arguments.bin)
    results = {key: [] for key, _, _ in STATES}
    try:
        for broker in (plain, other):
            broker.request_us(arguments.requests)  # the first pages of memory
        for _ in range(arguments.runs):
            for key, _, count in STATES:
                broker = plain if count is None else other
                if count is not None:
                    broker.arm(count)
                results[key].append(broker.request_us(arguments.requests))
    finally:
        plain.close()
        other.close()
    for key, name, _ in STATES:
        print(f"{name:32} {statistics.median(results[key]):6.2f} us a request (from {min(results[key]):.2f} to {max(results[key]):.2f})")


if __name__ == "__main__":
    main()
