"""Apache Kafka's own dump tool reads what mockbroker leaves on the disk: compacted logs, transactions, and the records of both kinds of coordinators."""
import glob
import json
import os
import re
import tempfile
import time
import unittest
import urllib.request

from common import Mockbroker, Settings, kc_consume, kc_produce, run
from differential.player import Player
from differential.transactions import begun, commit_offsets, ended, produce
from differential.groups import coordinated
from differential.wire import Messages
from kafka_cluster import java

DUMP_LOG = "org.apache.kafka.tools.DumpLogSegments"
KEYS, ROUNDS = 20, 30
OPTIONS = ["--brokers", "1", "--config", "offsets.topic.num.partitions=3", "--config", "transaction.state.log.num.partitions=3",
           "--topic", "keyed:1:1:cleanup.policy=compact,segment.bytes=2000,index.interval.bytes=100,min.cleanable.dirty.ratio=0.01", "--topic", "in-txn:1:1", "--topic", "read:1:1"]


class SegmentsTest(unittest.TestCase):
    """One broker that had everything happen to it, and ended."""

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = os.path.join(folder.name, "broker-1")
        with Mockbroker("--data-dir", folder.name, *OPTIONS) as cluster:
            cls.write_keys(cluster)
            cls.write_transactions(cluster.bootstrap)
            kc_produce(cluster.bootstrap, "read", ["a", "b", "c"])
            kc_consume(cluster.bootstrap, "read", "-g", "readers")

    @classmethod
    def write_keys(cls, cluster):
        def control(path, body):
            urllib.request.urlopen(urllib.request.Request(cluster.about["control"] + path, method="POST", data=json.dumps(body).encode())).close()
        for i in range(ROUNDS):
            kc_produce(cluster.bootstrap, "keyed", [f"k{key}|round {i}" for key in range(KEYS)], "-K", "|")
        control("/v1/clock/advance", {"ms": 60000})  # the cleaner's turn
        kc_produce(cluster.bootstrap, "keyed", ["k0|last"], "-K", "|")

    @classmethod
    def write_transactions(cls, bootstrap):
        now_ms = int(time.time() * 1000)
        player = Player(Messages(os.path.join(Settings.kafka, "libs")), bootstrap, now_ms)
        try:
            coordinated(player, "in-txn-readers")
            producer = begun(player, "x-segments")
            for sequence, commit in enumerate((True, False, True)):
                player.ask("Produce", 12, produce("x-segments", producer, 0, now=now_ms))
                player.ask("TxnOffsetCommit", 5, commit_offsets("x-segments", producer, "in-txn-readers", [(0, sequence + 1, "m")]))
                producer = ended(player, "x-segments", producer, 5, commit)
        finally:
            player.close()

    def dump(self, topic, kind="log", *options):
        files = sorted(glob.glob(os.path.join(self.folder, topic, f"*.{kind}")))
        text = run(java(os.path.join(Settings.kafka, "libs"), DUMP_LOG, *options, "--files", ",".join(files))).stdout
        for wrong in ("isvalid: false", "ismatch", "out of order", "Exception", "consecutive"):
            self.assertNotIn(wrong, text)
        return text, len(files)

    def test_a_compacted_log(self):
        text, files = self.dump("keyed-0", "log", "--print-data-log")
        rows = [(int(offset), key, value) for offset, key, value in re.findall(r"\| offset: (\d+) .* key: (\S+) payload: (.*)", text)]
        self.assertEqual([row[0] for row in rows], sorted({row[0] for row in rows}))
        self.assertLess(len(rows), KEYS * ROUNDS / 2)
        self.assertEqual(dict((key, value) for _, key, value in rows), {f"k{key}": f"round {ROUNDS - 1}" if key else "last" for key in range(KEYS)})
        self.assertGreater(files, 1)
        for kind in ("index", "timeindex"):
            self.dump("keyed-0", kind)

    def test_transactions(self):
        text, _ = self.dump("in-txn-0", "log", "--deep-iteration")
        self.assertEqual(re.findall(r"endTxnMarker: (\w+)", text), ["COMMIT", "ABORT", "COMMIT"])
        self.assertEqual(len(re.findall(r"isTransactional: true isControl: false", text)), 3)

    def test_aborted_transactions_and_producers(self):
        text, files = self.dump("in-txn-0", "txnindex")
        self.assertEqual(files, 1)
        found = re.findall(r"version: 0 producerId: (\d+) firstOffset: (\d+) lastOffset: (\d+) lastStableOffset: (\d+)", text)
        self.assertEqual([row[1:] for row in found], [("2", "3", "4")])  # of two records each the second is the marker
        text, _ = self.dump("in-txn-0", "snapshot")
        self.assertRegex(text, rf"producerId: {found[0][0]} producerEpoch: \d+ coordinatorEpoch: \d+ currentTxnFirstOffset: (None|OptionalLong.empty)")

    def test_whose_the_directory_is(self):
        with open(os.path.join(self.folder, "in-txn-0", "partition.metadata"), encoding="ascii") as f:
            self.assertRegex(f.read(), r"\Aversion: 0\ntopic_id: [\w-]{22}\n\Z")

    def test_records_of_coordinators(self):
        text = "".join(self.dump(f"__consumer_offsets-{i}", "log", "--offsets-decoder")[0] for i in range(3))
        self.assertRegex(text, r'"group":"in-txn-readers","topic":"in-txn","partition":0\}\} payload: \{"version":"\d+","data":\{"offset":3,')
        self.assertRegex(text, r'"group":"readers","topic":"read","partition":0\}\} payload: \{"version":"\d+","data":\{"offset":3,')
        self.assertIn('"protocolType":"consumer"', text)
        text = "".join(self.dump(f"__transaction_state-{i}", "log", "--transaction-log-decoder")[0] for i in range(3))
        self.assertIn("x-segments", text)
        self.assertRegex(text, r"CompleteCommit|transactionStatus.{0,4}4")
