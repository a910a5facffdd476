"""Consumers change over to the KIP-848 protocol one by one: ours and Java's of both protocols share a group on mockbroker. Every record is read once."""
from common import OnMockbroker, kc_produce, program
from cooperative_test import Javas, Process
from groups848_test import Java, poll_until

PARTITIONS = 6


class Ours(Process):
    """A member; tells what it read."""

    def __init__(self, bootstrap, protocol):
        super().__init__([program("kc"), "consume", "-b", bootstrap, "-t", "t", "-g", "g", "-o", "beginning", "-f", "%p %o\\n", "-X", f"group.protocol={protocol}",
                          "-X", "auto.commit.interval.ms=200", *(["-X", "partition.assignment.strategy=cooperative-sticky"] if protocol == "classic" else [])])

    def records(self):
        return [tuple(map(int, line.split())) for line in self.lines()]

    def read(self):
        return len(self.records())


class MixedTest(OnMockbroker):
    def setUp(self):
        super().setUp()
        self.create("t", PARTITIONS)
        self.members, self.gone, self.produced = [], [], 0

    def read(self):
        return sum(m.read if isinstance(m, Java) else m.read() for m in self.members + self.gone)

    def all_is_read(self):
        """More records, of so many keys that every partition gets some."""
        kc_produce(self.bootstrap, "t", [f"key-{i}:value" for i in range(self.produced, self.produced + 300)], "-K", ":")
        self.produced += 300
        self.assertTrue(poll_until(self.members, lambda: self.read() >= self.produced), self.read())
        self.assertEqual(self.read(), self.produced)

    def join(self, member):
        self.members.append(member)
        self.addCleanup(member.process.kill)
        return member

    def test_one_by_one(self):
        self.join(Ours(self.bootstrap, "classic"))
        self.all_is_read()
        theirs = self.join(Javas(self.bootstrap))
        self.assertTrue(poll_until([theirs], lambda: len(theirs.partitions()) == 3))
        self.all_is_read()
        new = self.join(Ours(self.bootstrap, "consumer"))  # the group is upgraded
        self.assertTrue(poll_until([theirs], lambda: len(theirs.partitions()) == 2))
        self.all_is_read()
        newest = self.join(Java(self.bootstrap, "t"))
        self.assertTrue(poll_until([newest], lambda: len(newest.partitions()) >= 1))
        self.all_is_read()
        for member in (newest, new):  # and downgraded
            member.process.terminate()
            member.process.wait(60)
            self.members.remove(member)
            self.gone.append(member)
        newest.thread.join(60)
        self.assertTrue(poll_until([theirs], lambda: len(theirs.partitions()) == 3))
        self.all_is_read()
        ours = [r for m in self.members + self.gone if isinstance(m, Ours) for r in m.records()]
        self.assertEqual(len(set(ours)), len(ours))
