"""Our member, Java's and librdkafka's in one eager group, with each assignor that they share: on mockbroker, and on Apache Kafka. At rest each partition is with
one member, and every record is read once."""
import json
import os
import unittest

from common import OnMockbroker, Settings, kc_produce, program, run
from cooperative_test import VERIFIABLE_CONSUMER, Javas, Process
from groups_test import Member, poll_until
from kafka_cluster import Kafka, java

PARTITIONS = 6
JAVA = {"range": "RangeAssignor", "roundrobin": "RoundRobinAssignor", "sticky": "StickyAssignor"}


class Ours(Process):
    def __init__(self, bootstrap, group, assignor):
        super().__init__([program("kc"), "consume", "-b", bootstrap, "-t", "t", "-g", group, "-o", "beginning", "-f", "%p %o\\n",
                          "-X", f"partition.assignment.strategy={assignor}", "-X", "auto.commit.interval.ms=200"])

    def records(self):
        return [tuple(map(int, line.split())) for line in self.lines()]


class EagerJava(Javas):
    def __init__(self, bootstrap, group, assignor):
        Process.__init__(self, java(os.path.join(Settings.kafka, "libs"), VERIFIABLE_CONSUMER, "--bootstrap-server", bootstrap, "--topic", "t", "--group-id", group,
                                    "--reset-policy", "earliest", "--assignment-strategy", f"org.apache.kafka.clients.consumer.{JAVA[assignor]}"))

    def partitions(self):
        """An eager member is told all that it has."""
        held = set()
        for event in map(json.loads, self.lines()):
            if event["name"] in ("partitions_assigned", "partitions_revoked"):
                held = {p["partition"] for p in event["partitions"]} if event["name"] == "partitions_assigned" else set()
        return held


class Group:
    """The story, for each cluster below."""

    def share(self, assignor, librdkafka):
        run([program("kc"), "topic", "create", "-b", self.bootstrap, "t", "-n", str(PARTITIONS), "-r", "1"])
        self.produced = 0
        ours = Ours(self.bootstrap, "g", assignor)
        self.addCleanup(ours.close)
        self.produce(300)
        self.assertTrue(poll_until([ours], lambda: len(ours.records()) == 300))
        theirs = EagerJava(self.bootstrap, "g", assignor)
        self.addCleanup(theirs.close)
        members = [ours, theirs]
        self.assertTrue(poll_until(members, lambda: len(theirs.partitions()) == 3))
        rdkafka = Member(self.bootstrap, "t", **{"partition.assignment.strategy": assignor}) if librdkafka else None
        if rdkafka:
            members.append(rdkafka)
            self.assertTrue(poll_until(members, lambda: len(theirs.partitions()) == 2 and len(rdkafka.partitions()) == 2))
        before = len(ours.records())
        self.produce(600)
        read = lambda: len(ours.records()) + theirs.read() + (rdkafka.read if rdkafka else 0)
        self.assertTrue(poll_until(members, lambda: read() >= self.produced), read())
        self.assertEqual(read(), self.produced)
        lately = {p for p, _ in ours.records()[before:]}
        others = theirs.partitions() | set(rdkafka.partitions() if rdkafka else [])
        self.assertEqual(lately, set(range(PARTITIONS)) - others)
        self.assertEqual(len(set(ours.records())), len(ours.records()))
        if rdkafka:
            rdkafka.consumer.close()

    def produce(self, count):
        kc_produce(self.bootstrap, "t", [f"key-{i}:value" for i in range(count)], "-K", ":")
        self.produced += count


class OnMockbrokerTest(Group, OnMockbroker):
    def test_range(self):
        self.share("range", True)

    def test_roundrobin(self):
        self.share("roundrobin", True)

    def test_sticky(self):
        self.share("sticky", False)


class OnKafkaTest(Group, unittest.TestCase):
    def setUp(self):
        self.cluster = Kafka(Settings.kafka, nodes=1)
        self.cluster.__enter__()
        self.addCleanup(self.cluster.__exit__, None, None, None)
        self.bootstrap = self.cluster.bootstrap

    def test_range(self):
        self.share("range", True)
