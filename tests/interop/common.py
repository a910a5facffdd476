"""What the interop tests share: the programs of the build, a mockbroker, and running commands with their output kept."""
import collections
import json
import os
import subprocess
import time
import unittest
import urllib.request

CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]
LIMIT_S = 300  # of one command: only what hangs takes that long


class Settings:
    """Filled in by run.py."""
    bin = ""
    kafka = ""
    kafka_old = ""


def program(name):
    return os.path.join(Settings.bin, name)


class Told:
    """What a failure tells of besides its own text: the last commands, and what each living cluster has to say."""
    commands = collections.deque(maxlen=6)
    clusters = []  # functions that return text


def text_of(output):
    return output.decode(errors="replace") if isinstance(output, bytes) else output or ""


def report():
    return "\n".join([*Told.commands, *(say() for say in Told.clusters)])


def run(command, text=None, check=True, limit=LIMIT_S):
    """Run to the end; on an unexpected status, or without an end, the output is in the failure."""
    begun = time.monotonic()
    try:
        done = subprocess.run(command, input=text, capture_output=True, timeout=limit, text=isinstance(text, str) or text is None, check=False)
        status, out, err = f"exit {done.returncode}", done.stdout, done.stderr
    except subprocess.TimeoutExpired as late:
        done, status, out, err = None, f"not ended after {limit} s", late.stdout, late.stderr
    told = f"$ {' '.join(command)}\n{status}, {time.monotonic() - begun:.1f} s\n{text_of(out)[-1000:]}\n{text_of(err)[-2000:]}"
    Told.commands.append(told)
    if not done or (check and done.returncode != 0):
        raise AssertionError(told)
    return done


def kcat(*arguments, **options):
    """kcat, which by itself waits for metadata no longer than 5 s."""
    return run(["kcat", "-m", "60", *arguments], **options)


def lines_of(prefix, count):
    """Records that differ, of different lengths, with text that is not ASCII."""
    return [f"{prefix}-{i}-{'ä' * (i % 7)}{'x' * (i * 37 % 211)}" for i in range(count)]


class Mockbroker:
    """A mockbroker process of three brokers; use as a context manager."""

    def __init__(self, *options):
        command = [program("mockbroker"), "--brokers", "3", "--listen", "127.0.0.1:0", "--control", "127.0.0.1:0", *options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        self.about = json.loads(line)
        self.bootstrap = self.about["bootstrap"]
        Told.clusters.append(self.say)

    def say(self):
        """What a failure shows of it: brokers, topics and groups."""
        told = []
        for what in ("cluster", "topics", "groups"):
            try:
                with urllib.request.urlopen(f"{self.about['control']}/v1/{what}", timeout=10) as answer:
                    told.append(f"-- mockbroker's {what}: {answer.read(3000).decode(errors='replace')}")
            except OSError as failure:
                told.append(f"-- mockbroker's {what}: {failure}, status {self.process.poll()}")
        return "\n".join(told)

    def stop_node(self, broker, kill=False):
        self.tell(broker, "kill" if kill else "stop")

    def start_node(self, broker):
        self.tell(broker, "start")

    def tell(self, broker, what):
        request = urllib.request.Request(f"{self.about['control']}/v1/brokers/{broker}/{what}", method="POST", data=b"")
        urllib.request.urlopen(request).close()

    def __enter__(self):
        return self

    def __exit__(self, failure=None, *unused):
        if failure:
            Told.commands.append(self.say())
        Told.clusters.remove(self.say)
        self.process.terminate()
        status = self.process.wait(LIMIT_S)
        self.process.stdout.close()
        if status != 0:
            raise AssertionError(f"mockbroker ended with status {status}")


class OnMockbroker(unittest.TestCase):
    """Each test has a cluster of its own."""

    def setUp(self):
        self.cluster = Mockbroker()
        self.addCleanup(self.cluster.__exit__)
        self.bootstrap = self.cluster.bootstrap

    def create(self, topic, partitions=3, replication=3):
        run([program("kc"), "topic", "create", "-b", self.bootstrap, topic, "-n", str(partitions), "-r", str(replication)])


def kc_produce(bootstrap, topic, lines, *options):
    run([program("kc"), "produce", "-b", bootstrap, "-t", topic, *options], "".join(line + "\n" for line in lines))


def kc_produce_spread(bootstrap, topic, lines):
    """With so many keys that every partition gets records: without, they go to one partition after the other."""
    kc_produce(bootstrap, topic, [f"{i}|{line}" for i, line in enumerate(lines)], "-K", "|")


def kc_consume(bootstrap, topic, *options):
    return run([program("kc"), "consume", "-b", bootstrap, "-t", topic, "-o", "beginning", "-e", *options]).stdout.splitlines()
