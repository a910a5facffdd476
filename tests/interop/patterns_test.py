"""Topic patterns that the broker matches (SubscribedTopicRegex of KIP-848): the same members do the same on Apache Kafka and on mockbroker, and are told the same: what
is wrong with a pattern, epochs, assignments, and whether a change comes at once or has to wait for the ten seconds between two looks at the topics."""
import concurrent.futures
import os
import time
import unittest
import uuid

from common import Mockbroker, Settings
from differential.groups import coordinated
from differential.player import Player
from differential.topics import made
from differential.wire import Messages
from kafka_cluster import Kafka, select_pause

API, VERSION = "ConsumerGroupHeartbeat", 1
WAIT_S = 120
REST_S = 10     # between two looks at the topics
PAUSE_S = 0.1
SETTLED_S = 1.5  # more than group.consumer.assignment.interval.ms: nothing more comes
BAD = ["(", "a)", "a**", "*a", "(?=a)", "(a)\\1", "\\q", "[", "[b-a]", "[[:foo:]]", "\\p{Foo}", "x{1001}", "(?P<>a)", "(?P<n>a)(?P<n>b)", "a\\", "é(", "(" + "ab|" * 200]
PROPERTIES = {"offsets.topic.num.partitions": 1}


class Member:
    def __init__(self, side, group, name, **more):
        self.side, self.group, self.name = side, group, name
        self.epoch, self.assigned, self.owned, self.said, self.more = 0, {}, [], {}, more

    def beat(self, **said):
        """One heartbeat; the client has given up and taken over what it was told in the last one."""
        full = {"RebalanceTimeoutMs": 60000, "SubscribedTopicNames": [], **self.more} if self.epoch == 0 else {"RebalanceTimeoutMs": -1, "SubscribedTopicNames": None}
        answer = self.side.player.ask(API, VERSION, {"GroupId": self.group, "MemberId": self.name, "MemberEpoch": self.epoch, **full, "TopicPartitions": [] if self.epoch == 0 else self.owned, **said})
        if answer["ErrorCode"]:
            return answer
        self.epoch = answer["MemberEpoch"]
        if answer["Assignment"]:
            self.owned = answer["Assignment"]["TopicPartitions"]
            self.assigned = self.side.rows(answer)
        return answer

    def told(self, what, **said):
        """A heartbeat, and what it was answered."""
        answer = self.beat(**said)
        self.side.write(what, answer["ErrorCode"], answer["ErrorMessage"], answer["MemberEpoch"], answer["Assignment"] and self.side.rows(answer))

    def leave(self, what):
        answer = self.side.player.ask(API, VERSION, {"GroupId": self.group, "MemberId": self.name, "MemberEpoch": -1})
        self.side.write(what, answer["ErrorCode"], answer["MemberEpoch"])


class Side:
    """One of the two clusters, and what was seen there."""

    def __init__(self, cluster, messages):
        self.player = Player(messages, cluster.bootstrap, 0)
        self.names, self.seen, self.looked = {}, [], 0

    def write(self, *what):
        self.seen.append(what)

    def rows(self, answer):
        return dict(sorted((self.names[row["TopicId"]], sorted(row["Partitions"])) for row in answer["Assignment"]["TopicPartitions"]))

    def topic(self, name, partitions=1):
        self.names[made(self.player, name, partitions)] = name

    def until(self, what, *members, **wanted):
        """All beat until each has what it is to have; which epochs they come to, and whether the ten seconds since the first look of the story were over."""
        begun = time.monotonic()
        while any(m.assigned != wanted[m.name] for m in members):
            for m in members:
                answer = m.beat()
                assert answer["ErrorCode"] == 0, answer
            assert time.monotonic() - begun < WAIT_S, (what, [(m.name, m.epoch, m.assigned) for m in members], self.seen[-5:])
            select_pause(PAUSE_S)
        self.rest(what, *members, late=time.monotonic() - self.looked > REST_S)

    def rest(self, what, *members, late=None):
        """Nothing more comes."""
        end = time.monotonic() + SETTLED_S
        while time.monotonic() < end:
            for m in members:
                m.beat()
            select_pause(PAUSE_S)
        self.write(what, late, *((m.name, m.epoch, m.assigned) for m in members))

    def looks(self):
        """The next heartbeat makes the broker look at the topics."""
        self.looked = time.monotonic()

    def described(self, what, group):
        found = self.player.ask("ConsumerGroupDescribe", 1, {"GroupIds": [group]})["Groups"][0]
        self.write(what, found["ErrorCode"], found["GroupState"], found["GroupEpoch"], found["AssignmentEpoch"],
                   sorted((m["MemberId"], m["MemberEpoch"], m["SubscribedTopicNames"], m["SubscribedTopicRegex"], m["MemberType"]) for m in found["Members"]))


def bad(s):
    good = Member(s, "bad", "good", SubscribedTopicRegex="nothing-.*")
    for pattern in BAD:
        Member(s, "bad", "new", SubscribedTopicRegex=pattern).told(f"a new member with {pattern[:20]}")
    good.told("a good one")
    for pattern in BAD:
        good.told(f"another pattern: {pattern[:20]}", SubscribedTopicRegex=pattern)
    good.told("as before")
    s.described("the group", "bad")


def alone(s):
    for name, partitions in {"al-1": 2, "al-2": 1, "AL-3": 1, "xal-4": 1}.items():
        s.topic(name, partitions)
    a = Member(s, "alone", "a", SubscribedTopicRegex="al-.*")
    s.looks()
    a.told("joins")
    s.until("has them", a, a={"al-1": [0, 1], "al-2": [0]})
    s.described("described", "alone")
    nothing = Member(s, "nothing", "a", SubscribedTopicRegex="no-such-.*")
    nothing.told("joins with a pattern that matches nothing")
    s.rest("has nothing", nothing)
    s.described("described", "nothing")
    both = Member(s, "both", "a", SubscribedTopicRegex="(?i)AL-[12]", SubscribedTopicNames=["xal-4"])
    s.looks()
    both.told("joins with a name, too")
    s.until("has them", both, a={"al-1": [0, 1], "al-2": [0], "xal-4": [0]})
    s.described("described", "both")
    empty = Member(s, "empty", "a", SubscribedTopicRegex="", SubscribedTopicNames=["al-2"])
    s.looks()
    empty.told("joins with an empty pattern")
    s.until("has it", empty, a={"al-2": [0]})
    s.described("described", "empty")


def several(s):
    s.topic("sev-1", 2)
    s.topic("other-1", 1)
    a = Member(s, "several", "a", SubscribedTopicRegex="sev-.*")
    s.looks()
    a.told("a joins")
    s.until("a has all", a, a={"sev-1": [0, 1]})
    b = Member(s, "several", "b", SubscribedTopicRegex="sev-.*")
    b.told("b joins with the same pattern")
    s.until("they share", a, b, a={"sev-1": [0]}, b={"sev-1": [1]})
    c = Member(s, "several", "c", SubscribedTopicRegex="other-.*")
    c.told("c joins with another one")
    s.rest("not yet", a, b, c)
    s.until("c has it", a, b, c, a={"sev-1": [0]}, b={"sev-1": [1]}, c={"other-1": [0]})
    s.described("described", "several")
    b.leave("b leaves")
    s.until("a has all", a, c, a={"sev-1": [0, 1]}, c={"other-1": [0]})
    s.looks()
    a.leave("a leaves, the last one with its pattern")
    s.rest("c stays", c)
    s.described("described", "several")
    a = Member(s, "several", "a", SubscribedTopicRegex="sev-.*")
    a.told("and comes again")
    s.until("it has all", a, c, a={"sev-1": [0, 1]}, c={"other-1": [0]})
    a.leave("a leaves")
    c.leave("c leaves")
    s.described("nobody", "several")
    a = Member(s, "several", "a", SubscribedTopicRegex="sev-.*")
    s.looks()
    a.told("a is back, in an empty group")
    s.until("it has all", a, a={"sev-1": [0, 1]})


def changing(s):
    for name in ("ch-1", "cx-1", "cy-1"):
        s.topic(name)
    a = Member(s, "changing", "a", SubscribedTopicRegex="ch-.*")
    s.looks()
    a.told("joins")
    s.until("has it", a, a={"ch-1": [0]})
    s.looks()
    a.told("another pattern", SubscribedTopicRegex="cx-.*")
    s.until("has the other", a, a={"cx-1": [0]})
    a.told("the same again", SubscribedTopicRegex="cx-.*")
    a.told("a name besides", SubscribedTopicNames=["cy-1"])
    s.until("has both", a, a={"cx-1": [0], "cy-1": [0]})
    a.told("no pattern any more", SubscribedTopicRegex="")
    s.until("has what it names", a, a={"cy-1": [0]})
    s.described("described", "changing")
    s.looks()
    a.told("a pattern instead of the name", SubscribedTopicRegex="c[hx]-1", SubscribedTopicNames=[])
    s.until("has what matches", a, a={"ch-1": [0], "cx-1": [0]})
    a.told("neither", SubscribedTopicRegex="", SubscribedTopicNames=[])
    s.until("has nothing", a, a={})
    s.described("described", "changing")


def appearing(s):
    s.topic("ap-1")
    a = Member(s, "appearing", "a", SubscribedTopicRegex="ap-.*")
    s.looks()
    a.told("joins")
    s.until("has it", a, a={"ap-1": [0]})
    s.topic("ap-2")
    s.until("has the new one", a, a={"ap-1": [0], "ap-2": [0]})
    s.player.until(lambda r: r["Responses"][0]["ErrorCode"] in (0, 3), "DeleteTopics", 6, {"Topics": [{"Name": "ap-2", "TopicId": uuid.UUID(int=0)}], "TimeoutMs": 30000})
    s.until("has the first one only", a, a={"ap-1": [0]})
    s.player.ask("CreatePartitions", 3, {"Topics": [{"Name": "ap-1", "Count": 3, "Assignments": None}], "TimeoutMs": 30000})
    s.until("has the new partitions", a, a={"ap-1": [0, 1, 2]})
    s.described("described", "appearing")


STORY = bad, alone, several, changing, appearing


class PatternsTest(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.messages = Messages(os.path.join(Settings.kafka, "libs"))
        cls.kafka = Kafka(Settings.kafka, 1, PROPERTIES)
        cls.kafka.__enter__()
        cls.addClassCleanup(cls.kafka.__exit__)
        cls.mockbroker = Mockbroker("--as-version", "4.3", "--brokers", "1", *[w for k, v in PROPERTIES.items() for w in ("--config", f"{k}={v}")])
        cls.addClassCleanup(cls.mockbroker.__exit__)

    def play(self, part, cluster):
        side = Side(cluster, self.messages)
        try:
            coordinated(side.player, "any")  # there is one coordinator for all groups
            part(side)
        finally:
            side.player.close()
        return side.seen

    def compare(self, part):
        with concurrent.futures.ThreadPoolExecutor(2) as both:
            theirs, ours = both.map(lambda cluster: self.play(part, cluster), (self.kafka, self.mockbroker))
        self.assertEqual("\n".join(map(str, theirs)), "\n".join(map(str, ours)))


for story in STORY:
    setattr(PatternsTest, f"test_{story.__name__}", lambda self, story=story: self.compare(story))
