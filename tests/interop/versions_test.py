"""mockbroker plays older releases: foreign clients and kclient find their way by what it advertises."""
import os
import unittest

import kafka as kafka_python

from common import Mockbroker, Settings, kc_consume, kc_produce, kcat, lines_of, program, run
from kafka_cluster import java

CONSOLE_CONSUMER = "org.apache.kafka.tools.consumer.ConsoleConsumer"


class AsVersion(unittest.TestCase):
    release = "2.1"

    def setUp(self):
        self.cluster = Mockbroker("--as-version", self.release, "--topic", "t:3:3")
        self.addCleanup(self.cluster.__exit__)
        self.bootstrap = self.cluster.bootstrap

    def read_with_a_group(self, count):
        return run([program("kc"), "consume", "-b", self.bootstrap, "-t", "t", "-g", "ours", "-o", "beginning", "-c", str(count)]).stdout.splitlines()

    def go_around(self):
        """kclient, kcat, kafka-python and Java 3.9 write and read on one topic."""
        lines = lines_of("x", 300)
        kc_produce(self.bootstrap, "t", lines[:100])
        kcat("-P", "-b", self.bootstrap, "-t", "t", "-X", "enable.idempotence=true", text="\n".join(lines[100:200]))
        producer = kafka_python.KafkaProducer(bootstrap_servers=self.bootstrap)
        for line in lines[200:]:
            producer.send("t", line.encode())
        producer.flush(240)
        producer.close()
        self.assertEqual(sorted(kc_consume(self.bootstrap, "t")), sorted(lines))
        self.assertEqual(sorted(self.read_with_a_group(len(lines))), sorted(lines))
        read = kcat("-C", "-b", self.bootstrap, "-t", "t", "-o", "beginning", "-e", "-q").stdout.splitlines()
        self.assertEqual(sorted(read), sorted(lines))
        consumer = kafka_python.KafkaConsumer("t", bootstrap_servers=self.bootstrap, auto_offset_reset="earliest", group_id="python", consumer_timeout_ms=240000)
        self.assertEqual(sorted(next(consumer).value.decode() for _ in lines), sorted(lines))
        consumer.close()
        text = run(java(os.path.join(Settings.kafka_old, "libs"), CONSOLE_CONSUMER, "--bootstrap-server", self.bootstrap,
                        "--topic", "t", "--from-beginning", "--max-messages", str(len(lines)), "--group", "java", "--timeout-ms", "240000")).stdout
        self.assertEqual(sorted(text.splitlines()), sorted(lines))


class Kafka21Test(AsVersion):
    def test_everybody_works_with_kafka_2_1(self):
        self.go_around()


class Kafka39Test(AsVersion):
    release = "3.9"

    def test_everybody_works_with_kafka_3_9(self):
        self.go_around()
