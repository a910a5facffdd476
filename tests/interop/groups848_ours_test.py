"""Our members of the consumer protocol (KIP-848) in one group with Java's: on mockbroker, and on real Apache Kafka. Every partition is always with one
member, and every record is read once."""
import unittest

from common import OnMockbroker, Settings, kc_produce, program, run
from cooperative_test import Process
from groups848_test import Java, poll_until
from kafka_cluster import Kafka

PARTITIONS = 6


class Ours(Process):
    """A member; tells what it read."""

    def __init__(self, bootstrap, *topics, **options):
        config = {"group.protocol": "consumer", "auto.commit.interval.ms": "200", **options}
        flags = [word for topic in topics for word in ("-t", topic)] + [word for key, value in config.items() for word in ("-X", f"{key}={value}")]
        super().__init__([program("kc"), "consume", "-b", bootstrap, "-g", "g", "-o", "beginning", "-f", "%p %o\\n", *flags])

    def records(self):
        return [tuple(map(int, line.split())) for line in self.lines()]


class Group:
    """The story, for each cluster below."""

    def create(self, topic, partitions):
        run([program("kc"), "topic", "create", "-b", self.bootstrap, topic, "-n", str(partitions), "-r", "1"])

    def produce(self, first, count):
        """Records of so many keys that every partition gets some."""
        kc_produce(self.bootstrap, "t", [f"key-{i}:value" for i in range(first, first + count)], "-K", ":")

    def test_java_joins_and_leaves(self):
        self.create("t", PARTITIONS)
        ours = [Ours(self.bootstrap, "t"), Ours(self.bootstrap, "t")]
        for member in ours:
            self.addCleanup(member.close)
        self.produce(0, 300)
        self.assertTrue(poll_until(ours, lambda: sum(len(m.records()) for m in ours) == 300))
        java = Java(self.bootstrap, "t")
        self.addCleanup(java.process.kill)
        self.assertTrue(poll_until(ours, lambda: len(java.partitions()) == 2), java.partitions())
        before = [len(m.records()) for m in ours]
        self.produce(300, 600)
        self.assertTrue(poll_until(ours, lambda: sum(len(m.records()) for m in ours) + java.read >= 900))
        theirs = {p for _, p in java.partitions()}
        lately = [{p for p, _ in m.records()[n:]} for m, n in zip(ours, before)]
        self.assertEqual(sorted([*lately[0], *lately[1], *theirs]), list(range(PARTITIONS)))
        java.close()
        before = [len(m.records()) for m in ours]
        self.produce(900, 600)
        self.assertTrue(poll_until(ours, lambda: sum(len(m.records()) - n for m, n in zip(ours, before)) >= 600))
        read = [r for m in ours for r in m.records()]
        self.assertEqual(len(set(read)), len(read))
        self.assertEqual(len(read) + java.read, 1500)


class OnMockbrokerTest(Group, OnMockbroker):
    pass


class OnKafkaTest(Group, unittest.TestCase):
    def setUp(self):
        self.cluster = Kafka(Settings.kafka, nodes=1)
        self.cluster.__enter__()
        self.addCleanup(self.cluster.__exit__, None, None, None)
        self.bootstrap = self.cluster.bootstrap
