"""Eligible leader replicas (KIP-966): brokers stop, are killed and come back in the same order on Apache Kafka and on mockbroker, and after each step both tell the
same leaders, epochs, ISRs, eligible replicas and who led last."""
import os
import time
import unittest

from common import Mockbroker, Settings
from differential.player import Player
from differential.topics import create, topic
from differential.wire import Messages
from kafka_cluster import Kafka, select_pause

WITNESS = 4   # the broker that stays; the only controller, so that all others may go
WAIT_S = 120  # for one step: a JVM starts, a session ends
FEATURE = "eligible.leader.replicas.version"
TOPICS = {"one": {}, "two": {"min.insync.replicas": "2"}, "three": {"min.insync.replicas": "3"},
          "unclean": {"min.insync.replicas": "2", "unclean.leader.election.enable": "true"}}
PLACES = [[1, 2, 3], [3, 2, 1]]


class OneController(Kafka):
    def _config(self, node):
        path = super()._config(node)
        with open(path, "a", encoding="utf-8") as f:  # of two lines with one key the later counts
            f.write(f"controller.quorum.voters={WITNESS}@127.0.0.1:{self.controller_ports[WITNESS - 1]}\n")
            if node != WITNESS:
                f.write(f"process.roles=broker\nlisteners=PLAINTEXT://127.0.0.1:{self.ports[node - 1]}\n")
        return path


class Side:
    """One of the two clusters, and what is asked there, always of the broker that stays."""

    def __init__(self, cluster, messages):
        self.cluster = cluster
        self.player = Player(messages, cluster.bootstrap, 0)

    def ask(self, api, version, values):
        return self.player.ask(api, version, values, connection=f"node {WITNESS}")

    def told(self):
        names = [{"Name": name} for name in (*TOPICS, "alone")]
        found = {("brokers", ""): sorted(b["NodeId"] for b in self.ask("Metadata", 12, {"Topics": []})["Brokers"])}
        for row in self.ask("DescribeTopicPartitions", 0, {"Topics": names, "ResponsePartitionLimit": 2000})["Topics"]:
            for p in row["Partitions"]:
                found[row["Name"], p["PartitionIndex"]] = {
                    "leader": p["LeaderId"], "epoch": p["LeaderEpoch"], "isr": sorted(p["IsrNodes"]), "elr": sorted(p["EligibleLeaderReplicas"]), "last": p["LastKnownElr"]}
        return found


class ElrTest(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        messages = Messages(os.path.join(Settings.kafka, "libs"))
        properties = {"auto.leader.rebalance.enable": "false"}
        theirs = OneController(Settings.kafka, nodes=WITNESS, properties={**properties, "broker.session.timeout.ms": 9000})
        theirs.__enter__()
        self.addCleanup(theirs.__exit__)
        ours = Mockbroker("--as-version", "4.3", "--brokers", str(WITNESS), "--config", "auto.leader.rebalance.enable=false")
        self.addCleanup(ours.__exit__)
        self.theirs, self.ours = Side(theirs, messages), Side(ours, messages)
        for side in self.both:
            self.addCleanup(side.player.close)
        self.states = []

    @property
    def both(self):
        return self.theirs, self.ours

    def both_ask(self, api, version, values):
        """The same, with the same outcome."""
        answers = [side.ask(api, version, values) for side in self.both]
        errors = [[e for e in walk(answer) if e] for answer in answers]
        self.assertEqual(*errors, (api, values, answers))
        return errors[0]

    def same(self, step):
        """mockbroker is at once where Kafka comes to be."""
        end = time.monotonic() + WAIT_S
        ours = self.ours.told()
        while (theirs := self.theirs.told()) != ours and time.monotonic() < end:
            select_pause(0.1)
        different = {key: {"Kafka": theirs.get(key), "mockbroker": ours.get(key)} for key in {**theirs, **ours} if theirs.get(key) != ours.get(key)}
        self.assertFalse(different, f"after {step}, which came after {self.states}")
        self.states.append(step)

    def step(self, what, node):
        for side in self.both:
            if what == "start":
                side.cluster.start_node(node)
            else:
                side.cluster.stop_node(node, kill=what == "kill")
        self.same(f"{what} {node}")

    def steps(self, text):
        for step in text.split(", "):
            what, node = step.split()
            self.step(what, int(node))

    def alter(self, kind, name, operation, value=None):
        """min.insync.replicas of a topic (2), the broker that is asked (4) or all brokers (4, no name)."""
        change = {"Name": "min.insync.replicas", "ConfigOperation": operation, "Value": value}
        errors = self.both_ask("IncrementalAlterConfigs", 1, {"Resources": [{"ResourceType": kind, "ResourceName": name, "Configs": [change]}]})
        self.same(f"{name or 'all brokers'} altered to {value}")
        return errors

    def elect(self, kind):
        self.both_ask("ElectLeaders", 2, {"ElectionType": kind, "TopicPartitions": [{"Topic": name, "Partitions": [0, 1]} for name in TOPICS], "TimeoutMs": 30000})
        self.same(f"elected, kind {kind}")

    def switch(self, level):
        self.both_ask("UpdateFeatures", 2, {"FeatureUpdates": [{"Feature": FEATURE, "MaxVersionLevel": level, "UpgradeType": 1 if level else 2}]})
        self.same(f"feature at {level}")

    def test_the_same_history(self):
        for name, configs in TOPICS.items():
            self.both_ask("CreateTopics", 7, create(topic(name, -1, -1, configs, list(enumerate(PLACES)))))
        self.both_ask("CreateTopics", 7, create(topic("alone", -1, -1, {}, [(0, [3])])))
        self.same("nothing")
        self.steps("stop 3, stop 2, stop 1, start 2, start 3, start 1")
        self.elect(0)
        self.steps("kill 1, kill 3, kill 2, start 3, start 1, start 2")
        self.steps("kill 2, stop 1, stop 3, start 2, start 3, start 1")
        self.steps("stop 1, stop 3")
        self.assertEqual(self.alter(2, "three", 0, "2"), [])   # which had eligible replicas
        self.steps("stop 2")
        self.assertEqual(self.alter(2, "two", 0, "3"), [])     # which has no leader, and will have none
        self.steps("start 3, start 2, start 1")
        self.elect(1)
        self.assertEqual(self.alter(4, "", 1), [40])
        self.assertEqual(self.alter(4, str(WITNESS), 0, "2"), [40])
        self.steps("stop 2")
        self.assertEqual(self.alter(4, "", 0, "2"), [])
        self.steps("stop 1")
        self.switch(0)
        self.steps("stop 3, start 1, start 2, start 3")
        self.steps("stop 1, stop 2")
        self.switch(1)
        self.steps("start 2, start 1")
        self.elect(0)


def walk(answer):
    """All error codes of it."""
    if isinstance(answer, dict):
        for key, value in answer.items():
            yield from [value] if key == "ErrorCode" else walk(value)
    elif isinstance(answer, list):
        for value in answer:
            yield from walk(value)
