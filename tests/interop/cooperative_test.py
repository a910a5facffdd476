"""Our member, Java's and librdkafka's in one cooperative group: partitions move without stopping the others, and each record is read once."""
import json
import os
import subprocess
import tempfile

from common import LIMIT_S, OnMockbroker, Settings, kc_produce, program
from groups_test import Member, poll_until
from kafka_cluster import java

JAVA_ASSIGNOR = "org.apache.kafka.clients.consumer.CooperativeStickyAssignor"
VERIFIABLE_CONSUMER = "org.apache.kafka.tools.VerifiableConsumer"
PARTITIONS = 6


class Process:
    """A member in a process of its own, its output in a file."""

    def __init__(self, command):
        self.output = tempfile.NamedTemporaryFile()
        self.process = subprocess.Popen(command, stdout=self.output, stderr=subprocess.DEVNULL)

    def lines(self):
        with open(self.output.name, encoding="utf-8") as text:
            return [line for line in text.read().split("\n")[:-1]]

    def poll(self):
        try:
            self.process.wait(0.05)
            raise AssertionError("the member has ended")
        except subprocess.TimeoutExpired:
            pass

    def close(self):
        self.process.terminate()
        self.process.wait(LIMIT_S)
        self.output.close()


class Ours(Process):
    def __init__(self, bootstrap):
        super().__init__([program("kc"), "consume", "-b", bootstrap, "-t", "t", "-g", "g", "-o", "beginning", "-f", "%p %o\\n",
                          "-X", "partition.assignment.strategy=cooperative-sticky", "-X", "auto.commit.interval.ms=200"])

    def records(self):
        return [tuple(map(int, line.split())) for line in self.lines()]


class Javas(Process):
    def __init__(self, bootstrap):
        super().__init__(java(os.path.join(Settings.kafka, "libs"), VERIFIABLE_CONSUMER, "--bootstrap-server", bootstrap, "--topic", "t", "--group-id", "g",
                              "--reset-policy", "earliest", "--assignment-strategy", JAVA_ASSIGNOR))

    def events(self, name):
        return [event for event in map(json.loads, self.lines()) if event["name"] == name]

    def partitions(self):
        held = set()
        for event in map(json.loads, self.lines()):
            partitions = {p["partition"] for p in event.get("partitions", [])}
            if event["name"] == "partitions_assigned":
                held |= partitions
            elif event["name"] == "partitions_revoked":
                held -= partitions
        return held

    def read(self):
        return sum(event["count"] for event in self.events("records_consumed"))


class CooperativeTest(OnMockbroker):
    def setUp(self):
        super().setUp()
        self.create("t", PARTITIONS)
        self.ours = Ours(self.bootstrap)
        self.addCleanup(self.ours.close)
        self.produce(300)
        self.assertTrue(poll_until([self.ours], lambda: len(self.ours.records()) == 300))

    def produce(self, count):
        """Records of so many keys that every partition gets some."""
        kc_produce(self.bootstrap, "t", [f"key-{i}:value" for i in range(count)], "-K", ":")

    def read_lately(self):
        """The partitions that our member read since it was alone."""
        return {partition for partition, _ in self.ours.records()[300:]}

    def test_with_librdkafka(self):
        members = [Member(self.bootstrap, "t", **{"partition.assignment.strategy": "cooperative-sticky"}) for _ in range(2)]
        self.assertTrue(poll_until(members, lambda: all(len(m.partitions()) == 2 for m in members)))
        self.produce(600)
        self.assertTrue(poll_until(members, lambda: sum(m.read for m in members) + len(self.ours.records()) >= 900))
        self.assertEqual(sum(m.read for m in members) + len(self.ours.records()), 900)
        theirs = {p for m in members for p in m.partitions()}
        self.assertEqual(self.read_lately(), set(range(PARTITIONS)) - theirs)
        for member in members:
            member.consumer.close()
        self.produce(600)
        self.assertTrue(poll_until([self.ours], lambda: self.read_lately() == set(range(PARTITIONS))))
        self.assertEqual(len(set(self.ours.records())), len(self.ours.records()))

    def test_with_java(self):
        member = Javas(self.bootstrap)
        self.addCleanup(member.close)
        self.assertTrue(poll_until([member], lambda: len(member.partitions()) == 3))
        self.produce(600)
        self.assertTrue(poll_until([member], lambda: member.read() + len(self.ours.records()) >= 900))
        self.assertEqual(member.read() + len(self.ours.records()), 900)
        self.assertEqual(self.read_lately(), set(range(PARTITIONS)) - member.partitions())
        self.assertEqual(len(set(self.ours.records())), len(self.ours.records()))
