"""Transactions of other clients on mockbroker: Java with both protocols of transactions, confluent-kafka, and Kafka's own tool for looking at them.
What was committed is read, by them and by us; what was aborted is not."""
import json
import os
import urllib.request

from confluent_kafka import Consumer, Producer, TopicPartition

from common import Mockbroker, OnMockbroker, Settings, kc_consume, kc_produce, run
from kafka_cluster import java

HERE = os.path.dirname(os.path.abspath(__file__))
TOOL = "org.apache.kafka.tools.TransactionsCommand"
COMMITTED = ("-X", "isolation.level=read_committed")
WAIT_S = 240
LONG_MS = 600000  # a transaction that is not to run out of time, however slow the tools are that look at it


def expected():
    return [f"{prefix}-{i}" for prefix in ("first", "second") for i in range(100)] + [f"fencing-{i}" for i in range(3)]


class TransactionsTest(OnMockbroker):
    def program(self, kafka, *steps):
        return run(java(os.path.join(kafka, "libs"), os.path.join(HERE, "java", "Transactions.java"), self.bootstrap, *steps)).stdout.splitlines()

    def story(self, kafka):
        self.create("written")
        self.create("transformed")
        self.assertEqual(self.program(kafka, "write", "fence", "transform"), ["write: ok", "fence: fenced", "transform: 203"])
        self.assertEqual(sorted(kc_consume(self.bootstrap, "written", *COMMITTED)), sorted(expected()))
        self.assertEqual(sorted(kc_consume(self.bootstrap, "transformed", *COMMITTED)), sorted(expected()))
        everything = kc_consume(self.bootstrap, "written")
        self.assertEqual(len(everything), 256)  # 50 aborted, 3 of the fenced producer

    def test_java_4_with_transaction_version_2(self):
        self.story(Settings.kafka)

    def test_java_3_with_transaction_version_0(self):
        self.story(Settings.kafka_old)

    def test_java_4_on_a_broker_of_3_9(self):
        with Mockbroker("--as-version", "3.9") as old:
            self.bootstrap = old.bootstrap
            self.story(Settings.kafka)

    def test_librdkafka_reads_transforms_and_writes_exactly_once(self):
        lines = [f"line-{i}" for i in range(300)]
        self.create("raw")
        self.create("cooked")
        kc_produce(self.bootstrap, "raw", lines)
        consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": "cooks", "auto.offset.reset": "earliest", "enable.auto.commit": False,
                             "isolation.level": "read_committed"})
        self.addCleanup(consumer.close)
        producer = Producer({"bootstrap.servers": self.bootstrap, "transactional.id": "cook", "transaction.timeout.ms": LONG_MS})
        producer.init_transactions(WAIT_S)
        consumer.subscribe(["raw"])
        done, rounds = 0, 0
        while done < len(lines):
            batch = consumer.consume(50, 1)
            if not batch:
                continue
            rounds += 1
            producer.begin_transaction()
            for message in batch:
                producer.produce("cooked", message.value())
            ends = {message.partition(): message.offset() + 1 for message in batch}
            where = [TopicPartition("raw", partition, offset) for partition, offset in ends.items()]
            producer.send_offsets_to_transaction(where, consumer.consumer_group_metadata(), WAIT_S)
            if rounds % 2:  # every other one is thrown away, and done again
                producer.abort_transaction(WAIT_S)
                for place in consumer.committed(where, WAIT_S):
                    consumer.seek(TopicPartition(place.topic, place.partition, max(place.offset, 0)))
            else:
                producer.commit_transaction(WAIT_S)
                done += len(batch)
        self.assertEqual(sum(p.offset for p in consumer.committed(consumer.assignment(), WAIT_S) if p.offset > 0), len(lines))
        self.assertEqual(sorted(kc_consume(self.bootstrap, "cooked", *COMMITTED)), sorted(lines))

    def test_open_transactions_are_seen_and_block_who_reads_committed(self):
        self.create("open", 1)
        producer = Producer({"bootstrap.servers": self.bootstrap, "transactional.id": "hanging", "transaction.timeout.ms": LONG_MS})
        producer.init_transactions(WAIT_S)
        producer.begin_transaction()
        producer.produce("open", b"committed")
        producer.commit_transaction(WAIT_S)
        producer.begin_transaction()
        producer.produce("open", b"later")
        self.assertEqual(producer.flush(WAIT_S), 0)
        self.assertEqual(kc_consume(self.bootstrap, "open", *COMMITTED), ["committed"])
        text = run(java(os.path.join(Settings.kafka, "libs"), TOOL, "--bootstrap-server", self.bootstrap, "list")).stdout
        self.assertRegex(text, r"hanging\s+\d+\s+\d+\s+Ongoing")
        text = run(java(os.path.join(Settings.kafka, "libs"), TOOL, "--bootstrap-server", self.bootstrap, "describe", "--transactional-id", "hanging")).stdout
        self.assertRegex(text, r"Ongoing.*open-0")
        with urllib.request.urlopen(self.cluster.about["control"] + "/v1/transactions") as answer:
            seen = json.load(answer)["transactions"]
        self.assertEqual([(t["transactional_id"], t["state"], t["partitions"]) for t in seen], [("hanging", "Ongoing", [{"topic": "open", "partition": 0}])])
        producer.commit_transaction(WAIT_S)
        self.assertEqual(kc_consume(self.bootstrap, "open", *COMMITTED), ["committed", "later"])
