"""The same Produce requests, good and bad, to Apache Kafka and to mockbroker: the answers must be the same."""
import json
import re
import subprocess
import time
import unittest

from common import Settings, program
from kafka_cluster import Kafka
from raw_produce import Raw, batch, record

HOUR_MS = 3600 * 1000
DAY_MS = 24 * HOUR_MS
TOPICS = {
    "plain": {},
    "compact": {"cleanup.policy": "compact"},
    "append": {"message.timestamp.type": "LogAppendTime"},
    "gz": {"compression.type": "gzip"},
    "unc": {"compression.type": "uncompressed"},
    "small": {"max.message.bytes": "300"},
    "unc-small": {"compression.type": "uncompressed", "max.message.bytes": "300"},
    "tight": {"message.timestamp.before.max.ms": str(DAY_MS), "message.timestamp.after.max.ms": str(DAY_MS)},
    "segment": {"segment.bytes": "1048576", "max.message.bytes": "5000000"},
}
STRICTER = {"offsets 0 0", "offsets 1 2", "offsets 1 0", "offsets 0 2", "gzip offsets 0 2"}  # mockbroker refuses what a client must not send


def broken():
    """Name, topic, batch, options: none of them may be stored, or all of them by both."""
    now = int(time.time() * 1000)
    yield "good", "plain", batch(), {}
    yield "empty", "plain", b"", {}
    yield "short", "plain", batch()[:40], {}
    yield "very short", "plain", batch()[:10], {}
    yield "two batches", "plain", batch() + batch(), {}
    for magic in (0, 1, 3, 9, -1):
        yield f"two batches, the second of magic {magic}", "plain", batch() + batch(magic=magic), {}
        yield f"two batches, the second cut and of magic {magic}", "plain", batch() + batch(magic=magic)[:17], {}
        yield f"two batches, the second's magic {magic} cut off", "plain", batch() + batch(magic=magic)[:16], {}
    for length in (3, 13, 14):
        yield f"two batches, the second of length {length}", "plain", batch() + batch(length_off=12 + length - len(batch())), {}
    yield "two batches, the second longer than is there", "plain", batch() + batch(length_off=1), {}
    yield "bytes behind", "plain", batch() + b"xyz", {}
    yield "base offset 5", "plain", batch(base_offset=5), {}
    for magic in (0, 1, 9):
        yield f"magic {magic}", "plain", batch(magic=magic), {}
    for version in (3, 7, 8):
        yield f"crc v{version}", "plain", batch(crc_off=1), {"version": version}
    for codec in (5, 7):
        yield f"codec {codec}", "plain", batch(attributes=codec), {}
    for version in (3, 6):
        yield f"zstd v{version}", "plain", batch(attributes=4), {"version": version}
    for codec in (1, 2, 3, 4):
        yield f"not codec {codec}", "plain", batch(attributes=codec), {}
    yield "gzip", "plain", batch(codec=1), {}
    yield "length + 1", "plain", batch(length_off=1), {}
    yield "length - 1", "plain", batch(length_off=-1), {}
    yield "length 3", "plain", batch(length_off=15 - len(batch())), {}
    yield "count 2 of 1", "plain", batch(count=2), {}
    yield "count 1 of 2", "plain", batch([record(0), record(1)], count=1), {}
    yield "count 0", "plain", batch([], count=0, last=0), {}
    yield "count 0, last -1", "plain", batch([], count=0), {}
    yield "count 0 gzip", "plain", batch([], codec=1, count=0, last=-1), {}
    yield "count -1", "plain", batch(count=-1), {}
    yield "last 5", "plain", batch(last=5), {}
    for first, second in ((0, 0), (1, 2), (1, 0), (0, 2)):
        yield f"offsets {first} {second}", "plain", batch([record(first), record(second)]), {}
    yield "offsets 0 2, last 2", "plain", batch([record(0), record(2)], last=2), {}
    yield "gzip offsets 0 2", "plain", batch([record(0), record(2)], codec=1), {}
    yield "record attributes", "plain", batch([record(0, attributes=1)]), {}
    yield "record too long", "plain", batch([record(0, length=99)]), {}
    yield "bytes in a record", "plain", batch([record(0, extra=b"zz")]), {}
    yield "bytes behind records", "plain", batch([record(0) + b"zz"]), {}
    yield "gzip count 2 of 1", "plain", batch(codec=1, count=2), {}
    yield "gzip count 1 of 2", "plain", batch([record(0), record(1)], codec=1, count=1, last=0), {}
    yield "control", "plain", batch(attributes=32), {}
    yield "transactional without id", "plain", batch(attributes=16), {}
    yield "sequence without producer", "plain", batch(epoch=0, sequence=0), {}
    yield "producer's LogAppendTime", "plain", batch(attributes=8), {}
    yield "producer's LogAppendTime where it counts", "append", batch(attributes=8), {}
    yield "LogAppendTime", "append", batch(), {}
    yield "LogAppendTime gzip", "append", batch(codec=1), {}
    yield "LogAppendTime of 1970", "append", batch(now=1000), {}
    yield "to gzip", "gz", batch(), {}
    yield "from gzip", "unc", batch(codec=1), {}
    yield "one key missing", "compact", batch([record(0), record(1, key=None)]), {}
    yield "five keys missing", "compact", batch([record(i, key=None) for i in range(5)]), {}
    yield "five keys missing v7", "compact", batch([record(i, key=None) for i in range(5)]), {"version": 7}
    yield "keys", "compact", batch(), {}
    yield "gzip key missing", "compact", batch([record(0), record(1, key=None)], codec=1), {}
    yield "key missing and too late", "compact", batch([record(0, key=None), record(1, timestamp_delta=3 * HOUR_MS)]), {}
    yield "from the future", "plain", batch(now=now + 2 * HOUR_MS), {}
    yield "from the future gzip", "plain", batch(codec=1, now=now + 2 * HOUR_MS), {}
    yield "too old", "tight", batch(now=now - 2 * DAY_MS), {}
    yield "second too old", "tight", batch([record(0), record(1, timestamp_delta=-2 * DAY_MS)]), {}
    yield "second too new", "tight", batch([record(0), record(1, timestamp_delta=2 * DAY_MS)]), {}
    yield "no time", "tight", batch(now=-1), {}
    yield "wrong latest time", "plain", batch(max_timestamp=77), {}
    yield "latest time of the future", "plain", batch(max_timestamp=now + 5 * HOUR_MS), {}
    yield "too large", "small", batch([record(0, value=b"x" * 400)]), {}
    yield "too large, CRC", "small", batch([record(0, value=b"x" * 400)], crc_off=1), {}
    yield "small by gzip", "small", batch([record(0, value=b"x" * 400)], codec=1), {}
    yield "small by gzip, stored plain", "unc-small", batch([record(0, value=b"x" * 400)], codec=1), {}
    yield "larger than a segment", "segment", batch([record(0, value=b"x" * 1200000)]), {}
    for acks in (2, -2, 1):
        yield f"acks {acks}", "plain", batch(), {"acks": acks}
    for partition in (9, -1):
        yield f"partition {partition}", "plain", batch(), {"partition": partition}
    yield "no topic", "none", batch(), {}
    yield "no name of a topic", "b a d", batch(), {}
    yield "leader epoch 7", "plain", batch(leader_epoch=7), {}


def sequences(one, two, three):
    """The same for producers with the ids one, two and three."""
    pair = [record(0), record(1)]
    yield "producer without sequence", "plain", batch(pid=one, epoch=0), {}
    yield "producer without epoch", "plain", batch(pid=one, epoch=-1, sequence=0), {}
    yield "first sequence 5", "plain", batch(pair, pid=two, epoch=0, sequence=5), {}
    yield "again", "plain", batch(pair, pid=two, epoch=0, sequence=5), {}
    yield "a gap", "plain", batch(pid=two, epoch=0, sequence=9), {}
    yield "before the first", "plain", batch(pid=two, epoch=0, sequence=4), {}
    yield "half of it again", "plain", batch(pid=two, epoch=0, sequence=6), {}
    for i in range(6):
        yield f"sequence {7 + i}", "plain", batch(pid=two, epoch=0, sequence=7 + i), {}
    yield "again, too late", "plain", batch(pair, pid=two, epoch=0, sequence=5), {}
    yield "again, the fifth last", "plain", batch(pid=two, epoch=0, sequence=8), {}
    yield "epoch 2 from 3", "plain", batch(pid=two, epoch=2, sequence=3), {}
    yield "epoch 2 from 0", "plain", batch(pid=two, epoch=2, sequence=0), {}
    yield "epoch 1", "plain", batch(pid=two, epoch=1, sequence=0), {}
    yield "epoch 0 again", "plain", batch(pid=two, epoch=0, sequence=12), {}
    yield "sequences wrap", "plain", batch([record(i) for i in range(4)], pid=three, epoch=0, sequence=2**31 - 3), {}
    yield "after the wrap", "plain", batch(pid=three, epoch=0, sequence=1), {}
    yield "after the wrap again", "plain", batch(pid=three, epoch=0, sequence=1), {}
    yield "unknown producer", "plain", batch(pid=99999999, epoch=3, sequence=77), {}


def answers(bootstrap):
    raw = Raw(bootstrap)
    for name, configs in TOPICS.items():
        raw.create_topic(name, configs)
    told = {}
    for name, topic, data, options in broken():
        told[name] = raw.produce(topic, data, **options)
    end = raw.produce("plain", batch())["base_offset"] + 1
    for name, topic, data, options in sequences(raw.producer_id(), raw.producer_id(), raw.producer_id()):
        told[name] = raw.produce(topic, data, **options)
        told[name]["base_offset"] -= end if told[name]["base_offset"] >= 0 else 0
    raw.close()
    return told


def general(text):
    """What differs between two runs on the same broker: times, and Java's own way to print a record."""
    text = re.sub(r"message DefaultRecord\(.*?\)\.", "message.", text or "")
    text = re.sub(r"-?\d{13,}", "TIME", text)
    return re.sub(r"\[TIME, TIME\]", "[..]", text)


class ProduceRulesTest(unittest.TestCase):
    def test_answers_to_bad_batches_are_those_of_kafka(self):
        with Kafka(Settings.kafka, 1) as kafka:
            theirs = answers(kafka.bootstrap)
        process = subprocess.Popen([program("mockbroker"), "--brokers", "1", "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE, text=True)
        try:
            ours = answers(json.loads(process.stdout.readline())["bootstrap"])
        finally:
            process.terminate()
            process.wait(20)
            process.stdout.close()
        for name, expected in theirs.items():
            got = ours[name]
            if name in STRICTER:
                self.assertNotEqual(got["error"], 0, name)
                continue
            with self.subTest(name):
                self.assertEqual(got["error"], expected["error"])
                self.assertEqual(got["append_time"], expected["append_time"])
                self.assertEqual([(i, general(text)) for i, text in got["record_errors"]], [(i, general(text)) for i, text in expected["record_errors"]])
                if expected["record_errors"]:
                    self.assertEqual(general(got["message"]), general(expected["message"]))
                if name in {n for n, *_ in sequences(1, 2, 3)}:
                    self.assertEqual(got["base_offset"], expected["base_offset"])
