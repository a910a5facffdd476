#!/usr/bin/env python3
"""How long a group of N members is unsettled when one joins, leaves, or dies: our members and librdkafka's (kcat), on the same mockbroker.

Members are processes that read a topic of 50 partitions.  Measured from the start, the SIGTERM or the SIGKILL of one member until the
coordinator says Stable with the right number of members; the group is looked at every 2 ms.  Joining includes the start of a process and
its connections.  All members use the same heartbeat interval, since an existing member learns of a rebalance with its next heartbeat, and
the same session time-out, which is what a death costs.
"""
import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
import report  # noqa: E402

LIMIT_S = 120
TOPIC, PARTITIONS = "t", 50


class Broker:
    def __init__(self, path):
        command = [path, "--listen", "127.0.0.1:0", "--control", "127.0.0.1:0", "--topic", f"{TOPIC}:{PARTITIONS}"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        about = json.loads(self.process.stdout.readline())
        self.bootstrap, self.control = about["bootstrap"], about["control"]

    def group(self, name):
        try:
            with urllib.request.urlopen(self.control + "/v1/groups") as answer:
                return next((g for g in json.loads(answer.read())["groups"] if g["group"] == name), None)
        except urllib.error.HTTPError:
            return None

    def stop(self):
        self.process.terminate()
        self.process.wait()


def member(side, arguments, broker, group):
    pairs = ["-X", f"heartbeat.interval.ms={arguments.heartbeat}", "-X", f"session.timeout.ms={arguments.session}",
             "-X", f"partition.assignment.strategy={arguments.assignor}"]
    if side == "kclient":
        command = [os.path.join(arguments.bin, "kc"), "consume", "-b", broker.bootstrap, "-t", TOPIC, "-g", group, *pairs]
    else:
        command = ["kcat", "-b", broker.bootstrap, *pairs, "-q", "-G", group, TOPIC]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def settled(broker, group, count, since):
    """Seconds from `since` until the group is stable with so many members."""
    while time.monotonic() - since < LIMIT_S:
        g = broker.group(group)
        if g and g["state"] == "Stable" and g["members"] == count:
            return time.monotonic() - since
        time.sleep(0.002)
    sys.exit(f"{group}: not stable with {count} members after {LIMIT_S} s: {g}")


def story(side, arguments, count, number):
    """One group of `count` members: ms for the last to join, for one to leave, for one to die."""
    broker, group, members = Broker(os.path.join(arguments.bin, "mockbroker")), f"{side}-{count}-{number}", []
    try:
        began = time.monotonic()
        members = [member(side, arguments, broker, group) for _ in range(count - 1)]
        settled(broker, group, count - 1, began)
        began = time.monotonic()
        members.append(member(side, arguments, broker, group))
        join = settled(broker, group, count, began)
        began = time.monotonic()
        members[0].send_signal(signal.SIGTERM)
        leave = settled(broker, group, count - 1, began)
        if count < 3:
            return join, leave, None
        began = time.monotonic()
        members[1].kill()
        return join, leave, settled(broker, group, count - 2, began)
    finally:
        for process in members:
            process.kill()
            process.wait()
        broker.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", default="build/release/bin")
    parser.add_argument("--members", default="2,10,50")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--heartbeat", type=int, default=300, help="ms; the clients' default of 3000 hides everything else")
    parser.add_argument("--session", type=int, default=6000, help="ms")
    parser.add_argument("--assignor", default="range")
    parser.add_argument("--write", metavar="PAGE", help="the table into this page, between its markers")
    arguments = parser.parse_args()
    rows = []
    print(f"heartbeat {arguments.heartbeat} ms, session {arguments.session} ms, {arguments.assignor}, medians of {arguments.runs}, ms")
    print(f"{'members':>8} {'':10} {'join':>8} {'leave':>8} {'die':>8}", flush=True)
    for count in [int(n) for n in arguments.members.split(",")]:
        for side in ("kclient", "librdkafka"):
            results = [story(side, arguments, count, number) for number in range(arguments.runs)]
            columns = [[r[i] for r in results if r[i] is not None] for i in range(3)]
            texts = [f"{statistics.median(c) * 1000:8.0f}" if c else f"{'-':>8}" for c in columns]
            print(f"{count:>8} {side:10} {' '.join(texts)}", flush=True)
            rows.append(f"| {count} | {side} | " + " | ".join(text.strip() for text in texts) + " |")
    if arguments.write:
        command = " ".join(["./dev bench rebalance", *report.shown_arguments()])
        report.between_markers(arguments.write, "rebalance", f"""Written by `{command}` on {report.host()}; medians of {arguments.runs}; {PARTITIONS} partitions, {arguments.assignor},
`heartbeat.interval.ms={arguments.heartbeat}`, `session.timeout.ms={arguments.session}`; milliseconds until the group is stable again.

| members | | one joins | one leaves | one dies |
|---|---|---|---|---|
""" + "\n".join(rows))


if __name__ == "__main__":
    main()
