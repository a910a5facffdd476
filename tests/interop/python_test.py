"""confluent-kafka (librdkafka) and kafka-python, a client of its own, in groups, with every codec."""
import time

import confluent_kafka
import confluent_kafka.admin
import kafka as kafka_python
import kafka.admin

from common import CODECS, OnMockbroker, kc_consume, kc_produce, lines_of

WAIT_S = 240


def values(lines):
    return sorted(line.encode() for line in lines)


class ConfluentTest(OnMockbroker):
    def test_it_creates_a_topic_and_produces_in_every_codec(self):
        admin = confluent_kafka.admin.AdminClient({"bootstrap.servers": self.bootstrap})
        for codec in CODECS:
            with self.subTest(codec=codec):
                topic, lines, offsets = f"confluent-{codec}", lines_of(codec, 1500), []
                admin.create_topics([confluent_kafka.admin.NewTopic(topic, 3, 3)])[topic].result(WAIT_S)
                producer = confluent_kafka.Producer({"bootstrap.servers": self.bootstrap, "enable.idempotence": True, "compression.type": codec})
                for line in lines:
                    producer.produce(topic, line.encode(), on_delivery=lambda err, msg: offsets.append((err, msg.partition(), msg.offset())))
                self.assertEqual(producer.flush(WAIT_S), 0)
                self.assertTrue(all(err is None for err, _, _ in offsets))
                self.assertEqual(len(set(offsets)), len(lines))
                self.assertEqual(sorted(kc_consume(self.bootstrap, topic)), sorted(lines))

    def test_two_members_share_the_partitions_and_one_takes_over(self):
        self.create("shared", 6)
        lines = lines_of("shared", 1200)
        kc_produce(self.bootstrap, "shared", lines)
        config = {"bootstrap.servers": self.bootstrap, "group.id": "team", "auto.offset.reset": "earliest", "session.timeout.ms": 30000,
                  "enable.auto.commit": False, "partition.assignment.strategy": "range"}
        members = [confluent_kafka.Consumer(config), confluent_kafka.Consumer(config)]
        read = []
        for member in members:
            member.subscribe(["shared"])
        until = time.monotonic() + WAIT_S
        while time.monotonic() < until and not all(len(m.assignment()) == 3 for m in members):
            read += [m.value() for member in members for m in member.consume(500, 0.05) if not m.error()]
            for member in members:
                try:
                    member.commit(asynchronous=False)
                except confluent_kafka.KafkaException:
                    pass  # nothing to commit yet, or a rebalance: it comes again
        self.assertEqual([len(m.assignment()) for m in members], [3, 3])
        members.pop().close()
        more = lines_of("more", 600)
        kc_produce(self.bootstrap, "shared", more)
        wanted = set(values(lines + more))
        until = time.monotonic() + WAIT_S
        while time.monotonic() < until and not (wanted <= set(read) and len(members[0].assignment()) == 6):
            read += [m.value() for m in members[0].consume(500, 0.1) if not m.error()]
        self.assertEqual(len(members[0].assignment()), 6)
        members[0].close()
        self.assertEqual(set(read), wanted)


class PartitionerTest(OnMockbroker):
    def test_keys_go_to_the_partitions_that_librdkafka_chooses(self):
        keys = [f"key-{i}-{'ä' * (i % 5)}{'x' * (i * 37 % 61)}" for i in range(200)]
        for name in ("consistent", "murmur2", "murmur2_random", "consistent_random", "fnv1a", "fnv1a_random"):
            with self.subTest(partitioner=name):
                theirs, ours = {}, f"ours-{name}"
                for topic in (f"theirs-{name}", ours):
                    self.create(topic, 12, 1)
                producer = confluent_kafka.Producer({"bootstrap.servers": self.bootstrap, "partitioner": name})
                for key in keys:
                    producer.produce(f"theirs-{name}", b"v", key.encode(), on_delivery=lambda err, msg: theirs.update({msg.key().decode(): msg.partition()}))
                self.assertEqual(producer.flush(WAIT_S), 0)
                kc_produce(self.bootstrap, ours, [f"{key}|v" for key in keys], "-K", "|", "-X", f"partitioner={name}")
                found = dict(line.rsplit(" ", 1) for line in kc_consume(self.bootstrap, ours, "-f", "%k %p\\n"))
                self.assertEqual({key: int(partition) for key, partition in found.items()}, theirs)


class KafkaPythonTest(OnMockbroker):
    def test_it_creates_a_topic_and_produces_in_every_codec(self):
        admin = kafka_python.admin.KafkaAdminClient(bootstrap_servers=self.bootstrap)
        for codec in CODECS:
            with self.subTest(codec=codec):
                topic, lines = f"python-{codec}", lines_of(codec, 800)
                admin.create_topics([kafka_python.admin.NewTopic(topic, 3, 3)])
                producer = kafka_python.KafkaProducer(bootstrap_servers=self.bootstrap, compression_type=None if codec == "none" else codec, acks="all")
                sent = [producer.send(topic, line.encode()) for line in lines]
                producer.flush(WAIT_S)
                self.assertEqual(len({(f.get(WAIT_S).partition, f.get(WAIT_S).offset) for f in sent}), len(lines))
                producer.close()
                self.assertEqual(sorted(kc_consume(self.bootstrap, topic)), sorted(lines))
        admin.close()

    def test_it_reads_every_codec_of_kclient_in_a_group(self):
        for codec in CODECS:
            with self.subTest(codec=codec):
                topic, lines = f"ours-{codec}", lines_of(codec, 800)
                self.create(topic)
                kc_produce(self.bootstrap, topic, lines, "-X", f"compression.type={codec}")
                consumer = kafka_python.KafkaConsumer(topic, bootstrap_servers=self.bootstrap, group_id=f"group-{codec}", auto_offset_reset="earliest",
                                                      session_timeout_ms=30000, heartbeat_interval_ms=1000)
                read, until = [], time.monotonic() + WAIT_S
                while len(read) < len(lines) and time.monotonic() < until:
                    # a long time: when it ends in the moment in which a join does, kafka-python 3.0.12 never takes its partitions
                    for records in consumer.poll(1000 * WAIT_S).values():
                        read += [r.value for r in records]
                self.assertEqual(sorted(read), values(lines))
                consumer.commit()
                partitions = [kafka_python.TopicPartition(topic, p) for p in range(3)]
                self.assertEqual(sum(consumer.committed(p) or 0 for p in partitions), len(lines))
                consumer.close()
