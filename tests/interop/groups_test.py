"""Groups as their tools and their clients see them: Apache Kafka's consumer-groups and log dump, static members, a coordinator that dies."""
import glob
import json
import os
import tempfile
import urllib.request

import confluent_kafka

from common import Mockbroker, OnMockbroker, Settings, kc_consume, kc_produce, kc_produce_spread, lines_of, run
from kafka_cluster import java
from members import poll_until

CONSUMER_GROUPS = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand"
DUMP_LOG = "org.apache.kafka.tools.DumpLogSegments"


def tool(main, *arguments, check=True):
    return run(java(os.path.join(Settings.kafka, "libs"), main, *arguments), check=check)


def rows_of(text, group):
    return [line.split() for line in text.splitlines() if line.startswith(group + " ")]


class Member:
    """A librdkafka consumer that remembers what it was given and what was taken away."""

    def __init__(self, bootstrap, topic, **config):
        self.given, self.taken, self.read = [], [], 0
        self.consumer = confluent_kafka.Consumer({"bootstrap.servers": bootstrap, "group.id": "g", "auto.offset.reset": "earliest", "session.timeout.ms": 45000,
                                                  "auto.commit.interval.ms": 200, "partition.assignment.strategy": "range", **config})
        self.consumer.subscribe([topic], on_assign=lambda _, p: self.given.append(sorted(x.partition for x in p)),
                                on_revoke=lambda _, p: self.taken.append(sorted(x.partition for x in p)))

    def poll(self):
        self.read += sum(1 for m in self.consumer.consume(500, 0.05) if not m.error())

    def partitions(self):
        return sorted(p.partition for p in self.consumer.assignment())


class GroupToolsTest(OnMockbroker):
    def groups(self, *arguments, check=True):
        return tool(CONSUMER_GROUPS, "--bootstrap-server", self.bootstrap, "--timeout", "60000", *arguments, check=check).stdout

    def test_a_living_group_is_described_and_cannot_be_deleted(self):
        self.create("t", 4)
        members = [Member(self.bootstrap, "t", **{"client.id": name}) for name in ("first", "second")]
        self.assertTrue(poll_until(members, lambda: all(len(m.partitions()) == 2 for m in members)))
        rows = rows_of(self.groups("--describe", "--group", "g", "--members", "--verbose"), "g")
        self.assertEqual({(row[2], row[3], row[4]) for row in rows}, {("/127.0.0.1", "first", "2"), ("/127.0.0.1", "second", "2")})
        state = rows_of(self.groups("--describe", "--group", "g", "--state"), "g")[0]
        self.assertEqual(state[-3:], ["range", "Stable", "2"])
        self.assertIn("not empty", self.groups("--delete", "--group", "g", check=False))
        for member in members:
            member.consumer.close()

    def test_offsets_are_reset_deleted_and_the_group_with_them(self):
        self.create("t", 3)
        kc_produce_spread(self.bootstrap, "t", lines_of("x", 300))
        kc_consume(self.bootstrap, "t", "-g", "g")
        rows = rows_of(self.groups("--describe", "--group", "g"), "g")
        self.assertEqual(sum(int(row[3]) for row in rows), 300)
        self.groups("--reset-offsets", "--group", "g", "--topic", "t", "--to-offset", "7", "--execute")
        rows = rows_of(self.groups("--describe", "--group", "g"), "g")
        self.assertEqual([row[3] for row in rows], ["7", "7", "7"])
        self.groups("--delete-offsets", "--group", "g", "--topic", "t:1")
        rows = rows_of(self.groups("--describe", "--group", "g"), "g")
        self.assertEqual({row[2] for row in rows if row[3] != "-"}, {"0", "2"})
        self.groups("--delete", "--group", "g")
        self.assertNotIn("g", self.groups("--list").split())

    def test_a_static_member_restarts_unnoticed(self):
        self.create("t", 4)
        names = {name: {"group.instance.id": name} for name in ("a", "b")}
        a, b = (Member(self.bootstrap, "t", **config) for config in names.values())
        self.assertTrue(poll_until([a, b], lambda: len(a.partitions()) == 2 and len(b.partitions()) == 2))
        had, rebalances = b.partitions(), len(a.given)
        b.consumer.close()
        again = Member(self.bootstrap, "t", **names["b"])
        self.assertTrue(poll_until([a, again], lambda: len(again.partitions()) == 2))
        self.assertEqual(again.partitions(), had)
        self.assertEqual(len(a.given), rebalances)
        a.consumer.close()
        again.consumer.close()

    def test_members_stay_when_their_coordinator_dies(self):
        self.create("t", 4)
        a, b = Member(self.bootstrap, "t"), Member(self.bootstrap, "t")
        self.assertTrue(poll_until([a, b], lambda: len(a.partitions()) == 2 and len(b.partitions()) == 2))
        url = self.cluster.about["control"]
        with urllib.request.urlopen(url + "/v1/groups") as answer:
            home = json.load(answer)["groups"][0]["coordinator"]
        given = len(a.given) + len(b.given)
        with urllib.request.urlopen(urllib.request.Request(f"{url}/v1/brokers/{home}/kill", method="POST", data=b"")):
            pass
        kc_produce_spread(self.bootstrap, "t", lines_of("x", 500))
        self.assertTrue(poll_until([a, b], lambda: a.read + b.read >= 500))
        self.assertTrue(poll_until([a, b], lambda: sum(p.offset for p in a.consumer.committed(a.consumer.assignment(), 10)) == a.read))
        self.assertEqual(len(a.given) + len(b.given), given)
        a.consumer.close()
        b.consumer.close()


class GroupLogTest(OnMockbroker):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.cluster = Mockbroker("--data-dir", folder.name)
        self.addCleanup(self.cluster.__exit__)
        self.bootstrap = self.cluster.bootstrap

    def test_kafka_reads_our_group_log(self):
        self.create("t", 1)
        kc_produce(self.bootstrap, "t", lines_of("x", 10))
        kc_consume(self.bootstrap, "t", "-g", "g")
        partition = ord("g") % 50  # the hash of a text of one letter is the letter
        logs = glob.glob(os.path.join(self.folder, "broker-*", f"__consumer_offsets-{partition}", "*.log"))
        self.assertEqual(len(logs), 3)
        text = tool(DUMP_LOG, "--offsets-decoder", "--files", logs[0]).stdout
        self.assertIn('{"type":"1","data":{"group":"g","topic":"t","partition":0}}', text)
        self.assertIn('"offset":10,', text)
        self.assertIn('"protocolType":"consumer"', text)
        self.assertNotIn("isvalid: false", text)
