"""An idempotent producer on a real cluster whose brokers are killed with SIGKILL, one after the other: nothing is lost, nothing is there twice, order is kept."""
import subprocess
import threading
import unittest

from common import Settings, kc_consume, program, run
from kafka_cluster import WAIT_S, Kafka, select_pause

PARTITIONS = 6
KEYS = 12
BURST = 40  # lines of each key at a time
PAUSE_S = 0.02


class Writer:
    """`kc produce`, fed until it is told to stop; each key counts for itself."""

    def __init__(self, bootstrap, *options):
        self.numbers = [0] * KEYS
        self.over = threading.Event()
        self.process = subprocess.Popen([program("kc"), "produce", "-b", bootstrap, "-t", "t", "-K", "=", *options], stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.thread = threading.Thread(target=self._feed)
        self.thread.start()

    def _feed(self):
        try:
            while not self.over.is_set():
                for key in range(KEYS):
                    first = self.numbers[key]
                    self.process.stdin.write("".join(f"k{key}={number}\n" for number in range(first, first + BURST)))
                    self.numbers[key] = first + BURST
                self.process.stdin.flush()
                select_pause(PAUSE_S)
        except BrokenPipeError:
            pass  # it ended too early; its status says why

    def finish(self):
        """All that was written is acknowledged, or its complaint."""
        self.over.set()
        self.thread.join(WAIT_S)
        complaint = self.process.communicate(timeout=WAIT_S)[1]
        return "" if self.process.returncode == 0 else f"exit {self.process.returncode}: {complaint[-2000:]}"


class KilledBrokersTest(unittest.TestCase):
    def check(self, *options):
        # with two in-sync replicas wanted, an acknowledged record is on two nodes, and one of them is killed at a time
        with Kafka(Settings.kafka, nodes=3, properties={"min.insync.replicas": 2, "default.replication.factor": 3, "broker.session.timeout.ms": 6000}) as cluster:
            run([program("kc"), "topic", "create", "-b", cluster.bootstrap, "t", "-n", str(PARTITIONS), "-r", "3"])
            writer = Writer(cluster.bootstrap, "-X", "delivery.timeout.ms=600000", "-X", "max.block.ms=600000", *options)
            try:
                for node in (1, 3):
                    before = list(writer.numbers)
                    cluster.stop_node(node, kill=True)
                    while writer.process.poll() is None and writer.numbers[-1] < before[-1] + 10 * BURST:
                        select_pause(0.05)  # some of it is written while the node is dead
                    cluster.start_node(node)
                    cluster.wait_ready()
            finally:
                complaint = writer.finish()
            self.assertEqual(complaint, "")
            seen = [[] for _ in range(KEYS)]
            where = {}
            for line in kc_consume(cluster.bootstrap, "t", "-f", "%p %k %s\\n"):
                partition, key, number = line.split(" ")
                seen[int(key[1:])].append(int(number))
                self.assertEqual(where.setdefault(key, partition), partition)
            for key in range(KEYS):
                self.assertEqual(seen[key], list(range(writer.numbers[key])), f"key k{key}")
            self.assertGreater(sum(writer.numbers), 5000)

    def test_five_requests_in_flight(self):
        self.check("-X", "linger.ms=0", "-X", "batch.size=2000")
