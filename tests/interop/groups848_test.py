"""Groups of the consumer protocol (KIP-848) on mockbroker, as Apache Kafka's consumer, librdkafka and Kafka's tools see them."""
import json
import os
import re
import subprocess
import threading
import urllib.request

import confluent_kafka

from common import OnMockbroker, Settings, kc_produce, lines_of, run
from kafka_cluster import java
from members import poll_until

CONSOLE_CONSUMER = "org.apache.kafka.tools.consumer.ConsoleConsumer"
CONSUMER_GROUPS = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand"
VERIFIABLE_CONSUMER = "org.apache.kafka.tools.VerifiableConsumer"
WAIT_S = 120


def command(main, *arguments):
    return java(os.path.join(Settings.kafka, "libs"), main, *arguments)


class Librdkafka:
    def __init__(self, bootstrap, topic, group="g", **config):
        self.read, self.revoked = 0, []
        self.consumer = confluent_kafka.Consumer({"bootstrap.servers": bootstrap, "group.id": group, "group.protocol": "consumer",
                                                  "auto.offset.reset": "earliest", "auto.commit.interval.ms": 200, "log_level": 0, **config})
        self.consumer.subscribe([topic], on_revoke=lambda _, p: self.revoked.extend(x.partition for x in p))

    def poll(self):
        self.read += sum(1 for m in self.consumer.consume(500, 0.05) if not m.error())

    def partitions(self):
        return sorted((p.topic, p.partition) for p in self.consumer.assignment())

    def close(self):
        self.consumer.close()


class Java:
    """Kafka's VerifiableConsumer, which tells what happens to it as lines of JSON."""

    def __init__(self, bootstrap, topic, group="g"):
        self.process = subprocess.Popen(command(VERIFIABLE_CONSUMER, "--bootstrap-server", bootstrap, "--topic", topic, "--group-id", group,
                                                "--group-protocol", "consumer"), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.owned, self.read = set(), 0
        self.thread = threading.Thread(target=self.listen, daemon=True)
        self.thread.start()

    def listen(self):
        for line in self.process.stdout:
            event = json.loads(line) if line.startswith("{") else {}
            partitions = {(p["topic"], p["partition"]) for p in event.get("partitions", []) if isinstance(p, dict)}
            if event.get("name") == "partitions_assigned":
                self.owned |= partitions
            elif event.get("name") == "partitions_revoked":
                self.owned -= partitions
            elif event.get("name") == "records_consumed":
                self.read += event["count"]

    def poll(self):
        self.thread.join(0.05)  # it polls by itself

    def partitions(self):
        return sorted(self.owned)

    def close(self):
        self.process.terminate()
        self.process.wait(WAIT_S)
        self.thread.join(WAIT_S)
        self.process.stdout.close()


def covered(members, topic, count):
    """Each partition is with one member, and each member has its share."""
    have = [p for m in members for p in m.partitions()]
    return sorted(have) == [(topic, i) for i in range(count)] and all(len(m.partitions()) >= count // len(members) for m in members)


class Groups848Test(OnMockbroker):
    def groups(self, *arguments, check=True):
        return run(command(CONSUMER_GROUPS, "--bootstrap-server", self.bootstrap, "--timeout", "60000", *arguments), check=check).stdout

    def rows(self, *arguments):
        return [line.split() for line in self.groups(*arguments).splitlines() if line.startswith("g ")]

    def test_the_console_consumer_reads_all(self):
        self.create("t", 4)
        kc_produce(self.bootstrap, "t", lines_of("x", 500))
        done = run(command(CONSOLE_CONSUMER, "--bootstrap-server", self.bootstrap, "--topic", "t", "--group", "g", "--from-beginning", "--max-messages", "500",
                           "--timeout-ms", "240000", "--command-property", "group.protocol=consumer"))
        self.assertEqual(sorted(done.stdout.splitlines()), sorted(lines_of("x", 500)))
        rows = self.rows("--describe", "--group", "g")
        self.assertEqual(sum(int(row[3]) for row in rows), 500)

    def test_java_and_librdkafka_share_a_group(self):
        self.create("t", 6)
        kc_produce(self.bootstrap, "t", lines_of("x", 600))
        members = [Librdkafka(self.bootstrap, "t"), Java(self.bootstrap, "t")]
        self.assertTrue(poll_until(members, lambda: covered(members, "t", 6)), [m.partitions() for m in members])
        members.append(Librdkafka(self.bootstrap, "t"))
        self.assertTrue(poll_until(members, lambda: covered(members, "t", 6)), [m.partitions() for m in members])
        self.assertTrue(poll_until(members, lambda: sum(m.read for m in members) >= 600))
        rows = self.rows("--describe", "--group", "g", "--members", "--verbose")
        self.assertEqual(sorted(row[4] for row in rows), ["2", "2", "2"])
        self.assertEqual(len({row[5] for row in rows}), 1)  # one epoch
        self.assertIn("Stable", self.rows("--describe", "--group", "g", "--state")[0])
        members.pop(0).close()
        self.assertTrue(poll_until(members, lambda: covered(members, "t", 6)), [m.partitions() for m in members])
        for member in members:
            member.close()

    def test_a_pattern_of_the_broker_follows_new_topics(self):
        self.create("orders-1", 2)
        member = Librdkafka(self.bootstrap, "^orders-.*")
        self.assertTrue(poll_until([member], lambda: len(member.partitions()) == 2))
        self.create("orders-2", 3)
        self.assertTrue(poll_until([member], lambda: len(member.partitions()) == 5))
        member.close()

    def test_members_stay_when_their_coordinator_dies(self):
        self.create("t", 4)
        members = [Librdkafka(self.bootstrap, "t"), Librdkafka(self.bootstrap, "t")]
        self.assertTrue(poll_until(members, lambda: covered(members, "t", 4)))
        url = self.cluster.about["control"]
        with urllib.request.urlopen(url + "/v1/groups") as answer:
            home = json.load(answer)["groups"][0]["coordinator"]
        for member in members:
            member.revoked.clear()
        with urllib.request.urlopen(urllib.request.Request(f"{url}/v1/brokers/{home}/kill", method="POST", data=b"")):
            pass
        kc_produce(self.bootstrap, "t", lines_of("x", 500))
        self.assertTrue(poll_until(members, lambda: sum(m.read for m in members) >= 500))
        self.assertEqual([m.revoked for m in members], [[], []])
        for member in members:
            member.close()

    def test_tools_list_and_delete_by_type(self):
        self.create("t", 2)
        member = Librdkafka(self.bootstrap, "t")
        self.assertTrue(poll_until([member], lambda: covered([member], "t", 2)))
        self.assertRegex(self.groups("--list", "--type", "consumer"), r"g\s+Consumer")
        self.assertNotRegex(self.groups("--list", "--type", "classic"), r"g\s+")
        self.assertIn("not empty", self.groups("--delete", "--group", "g", check=False))
        member.close()
        self.groups("--delete", "--group", "g")
        self.assertIsNone(re.search(r"^g$", self.groups("--list"), re.MULTILINE))
