"""One group with members of ours, of Java and of librdkafka, on mockbroker and on Apache Kafka: each protocol and assignor, and each maker as the first,
whom the classic protocol makes the leader that computes the assignment.  At rest each partition is with one member and each record is read by it, once;
members leave one after the other, and no record is skipped or read again."""
import collections
import unittest

from common import Mockbroker, Settings, kc_consume, kc_produce, program, run
from kafka_cluster import Kafka
from members import Java, Librdkafka, Ours, poll_until

PARTITIONS = 6
BURST = 300     # records at a time, of so many keys that every partition gets some
BEAT_MS = 500   # of the consumer protocol's heartbeat, so that changes take no longer than in the classic one


class Told(dict):
    """What `kc group describe` says: state, and the partitions of each client id."""

    def __init__(self, text):
        head, *rows = text.splitlines() or [""]
        fields = head.split("\t")
        self.state = fields[1] if len(fields) > 1 else "none"
        for row in rows:
            _, client, *more = row.strip().split("\t")
            self[client] = sorted(int(p) for text in more if ":" in text for p in text.split(":")[1].split(","))


class Story:
    """Members of one group on one topic."""

    def __init__(self, test, bootstrap, name):
        self.test, self.bootstrap, self.name = test, bootstrap, name
        self.members, self.gone = [], []
        run([program("kc"), "topic", "create", "-b", bootstrap, name, "-n", str(PARTITIONS), "-r", "1"])

    def join(self, maker, protocol="classic", assignor=None):
        name = f"{maker.__name__}-{len(self.members) + len(self.gone)}"
        member = maker(self.bootstrap, self.name, self.name, name, protocol, assignor)
        self.members.append(member)
        self.test.addCleanup(member.close)
        return member

    def leave(self, member):
        self.members.remove(member)
        self.gone.append(member)
        member.close()

    def described(self):
        return Told(run([program("kc"), "group", "describe", "-b", self.bootstrap, self.name], check=False).stdout)

    def is_at_rest(self):
        told = self.described()
        share = PARTITIONS // len(self.members)
        return (told.state == "Stable" and sorted(told) == sorted(m.name for m in self.members) and all(len(p) >= share for p in told.values())
                and sorted(p for held in told.values() for p in held) == list(range(PARTITIONS)))

    def read(self):
        return collections.Counter(r for m in self.members + self.gone for r in m.records)

    def settle(self):
        """The group comes to rest; then new records are read once, by the members that the group says have their partitions."""
        self.test.assertTrue(poll_until(self.members, self.is_at_rest), f"not at rest: {self.described().state} {self.described()}")
        owners = self.described()
        before = {m.name: len(m.records) for m in self.members}
        kc_produce(self.bootstrap, self.name, [f"key-{i}:value" for i in range(BURST)], "-K", ":")
        written = {tuple(map(int, line.split())) for line in kc_consume(self.bootstrap, self.name, "-f", "%p %o\\n")}
        self.test.assertTrue(poll_until(self.members, lambda: written <= self.read().keys()), f"skipped: {sorted(written - self.read().keys())[:20]}")
        self.test.assertEqual({r: n for r, n in self.read().items() if n > 1}, {}, f"read again, with {owners}")
        self.test.assertEqual({m.name: sorted({p for p, _ in m.records[before[m.name]:]}) for m in self.members if owners[m.name]},
                              {name: held for name, held in owners.items() if held})

    def come_and_go(self, makers, protocol, assignor):
        """The first is alone, all others join at once, and they leave in the order in which they came."""
        first, *others = makers
        self.join(first, protocol, assignor)
        self.settle()
        for maker in others:
            self.join(maker, protocol, assignor)
        self.settle()
        while len(self.members) > 1:
            self.leave(self.members[0])
            self.settle()

    def change_over(self, makers):
        """Members are replaced one by one by those of the consumer protocol, and these by classic ones again (KIP-848: the group goes with them)."""
        for maker in makers:
            self.join(maker, "classic", "cooperative-sticky")
        self.settle()
        for protocol, assignor in (("consumer", None), ("classic", "cooperative-sticky")):
            for member in list(self.members):
                self.leave(member)
                self.join(type(member), protocol, assignor)
                self.settle()


class SharedGroups:
    """The stories, for each cluster below."""

    def story(self):
        return Story(self, self.cluster.bootstrap, self.id().rsplit(".", 1)[-1])

    def test_mixed_protocols(self):
        self.story().change_over([Ours, Java, Librdkafka])


def add_story(name, makers, protocol, assignor):
    setattr(SharedGroups, f"test_{name}", lambda self: self.story().come_and_go(makers, protocol, assignor))


EVERYBODY = [Ours, Java, Librdkafka]
for turn in range(3):
    order = EVERYBODY[turn:] + EVERYBODY[:turn]
    for chosen in ("range", "roundrobin", "cooperative-sticky"):
        add_story(f"{chosen.replace('-', '_')}_{order[0].__name__.lower()}_first", order, "classic", chosen)
add_story("sticky_ours_first", [Ours, Java, Java], "classic", "sticky")  # librdkafka has no such assignor
add_story("sticky_java_first", [Java, Ours, Ours], "classic", "sticky")
add_story("consumer_protocol_uniform", EVERYBODY, "consumer", "uniform")
add_story("consumer_protocol_range", [Librdkafka, Ours, Java], "consumer", "range")


class OnMockbrokerTest(SharedGroups, unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Mockbroker("--config", f"group.consumer.heartbeat.interval.ms={BEAT_MS}")
        cls.addClassCleanup(cls.cluster.__exit__)


class OnKafkaTest(SharedGroups, unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Kafka(Settings.kafka, properties={"group.consumer.heartbeat.interval.ms": BEAT_MS, "group.consumer.min.heartbeat.interval.ms": BEAT_MS})
        cls.cluster.__enter__()
        cls.addClassCleanup(cls.cluster.__exit__, None, None, None)
