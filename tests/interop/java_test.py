"""The tools of Apache Kafka 4.x, Java clients all, work with mockbroker as with Kafka."""
import json
import os
import subprocess

from common import CODECS, LIMIT_S, OnMockbroker, Settings, kc_consume, kc_produce, lines_of, program, run
from kafka_cluster import PATIENT, java

TOPIC_COMMAND = "org.apache.kafka.tools.TopicCommand"
CONSOLE_PRODUCER = "org.apache.kafka.tools.ConsoleProducer"
CONSOLE_CONSUMER = "org.apache.kafka.tools.consumer.ConsoleConsumer"
CONSUMER_GROUPS = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand"
VERIFIABLE_PRODUCER = "org.apache.kafka.tools.VerifiableProducer"
VERIFIABLE_CONSUMER = "org.apache.kafka.tools.VerifiableConsumer"


class JavaTest(OnMockbroker):
    def tool(self, main, *arguments, text=None):
        return run(java(os.path.join(Settings.kafka, "libs"), main, *arguments), text)

    def test_topics_are_created_described_and_deleted(self):
        server = ["--bootstrap-server", self.bootstrap]
        self.tool(TOPIC_COMMAND, *server, "--create", "--topic", "made", "--partitions", "4", "--replication-factor", "3")
        text = self.tool(TOPIC_COMMAND, *server, "--describe", "--topic", "made").stdout
        self.assertIn("PartitionCount: 4", text)
        self.assertIn("ReplicationFactor: 3", text)
        self.tool(TOPIC_COMMAND, *server, "--delete", "--topic", "made")
        self.assertNotIn("made", self.tool(TOPIC_COMMAND, *server, "--list").stdout.split())

    def test_the_console_producer_writes_what_we_read(self):
        for codec in CODECS:
            with self.subTest(codec=codec):
                topic, lines = f"java-{codec}", lines_of(codec, 500)
                self.create(topic)
                self.tool(CONSOLE_PRODUCER, "--bootstrap-server", self.bootstrap, "--topic", topic, *PATIENT, "--compression-codec", codec,
                          text="".join(line + "\n" for line in lines))
                self.assertEqual(sorted(kc_consume(self.bootstrap, topic)), sorted(lines))

    def test_the_console_consumer_reads_what_we_write(self):
        self.create("ours")
        lines = [line for codec in CODECS for line in lines_of(codec, 300)]
        for codec in CODECS:
            kc_produce(self.bootstrap, "ours", lines_of(codec, 300), "-X", f"compression.type={codec}")
        text = self.tool(CONSOLE_CONSUMER, "--bootstrap-server", self.bootstrap, "--topic", "ours", "--from-beginning", "--max-messages", str(len(lines)),
                         "--group", "console", "--timeout-ms", "240000").stdout
        self.assertEqual(sorted(text.splitlines()), sorted(lines))
        text = self.tool(CONSUMER_GROUPS, "--bootstrap-server", self.bootstrap, "--timeout", "60000", "--describe", "--group", "console").stdout
        committed = [line.split() for line in text.splitlines() if line.startswith("console")]
        self.assertEqual(sum(int(fields[3]) for fields in committed), len(lines))
        self.assertIn("console", self.tool(CONSUMER_GROUPS, "--bootstrap-server", self.bootstrap, "--timeout", "60000", "--list").stdout)

    def test_the_verifiable_clients_verify(self):
        self.create("verified", 4)
        count = 5000
        text = self.tool(VERIFIABLE_PRODUCER, "--bootstrap-server", self.bootstrap, "--topic", "verified", "--max-messages", str(count), "--acks", "-1").stdout
        acked = [json.loads(line) for line in text.splitlines() if '"producer_send_success"' in line]
        self.assertEqual(len({(a["partition"], a["offset"]) for a in acked}), count)
        command = java(os.path.join(Settings.kafka, "libs"), VERIFIABLE_CONSUMER, "--bootstrap-server", self.bootstrap, "--topic", "verified",
                       "--group-id", "verifiers", "--reset-policy", "earliest", "--max-messages", str(count), "--verbose")
        text = run(command).stdout
        read = {(r["partition"], r["offset"]) for r in (json.loads(line) for line in text.splitlines() if '"record_data"' in line)}
        self.assertEqual(read, {(a["partition"], a["offset"]) for a in acked})

    def test_java_and_kclient_share_a_group(self):
        """Both speak the embedded consumer protocol: the partitions are split between them."""
        self.create("mixed", 4)
        lines = lines_of("mixed", 2000)
        kc_produce(self.bootstrap, "mixed", lines)
        ours = subprocess.Popen([program("kc"), "consume", "-b", self.bootstrap, "-t", "mixed", "-g", "mix", "-o", "beginning"], stdout=subprocess.DEVNULL,
                                text=True)
        theirs = subprocess.Popen(java(os.path.join(Settings.kafka, "libs"), VERIFIABLE_CONSUMER, "--bootstrap-server", self.bootstrap, "--topic", "mixed",
                                       "--group-id", "mix", "--reset-policy", "earliest", "--assignment-strategy",
                                       "org.apache.kafka.clients.consumer.RangeAssignor"), stdout=subprocess.PIPE, text=True)
        try:
            for line in theirs.stdout:
                about = json.loads(line) if line.startswith("{") else {}
                if about.get("name") == "partitions_assigned" and 0 < len(about["partitions"]) < 4:
                    break
            else:
                self.fail("the Java member never had a share of the partitions")
        finally:
            ours.terminate()
            theirs.terminate()
            self.assertEqual(ours.wait(LIMIT_S), 0)
            theirs.wait(LIMIT_S)
            theirs.stdout.close()
