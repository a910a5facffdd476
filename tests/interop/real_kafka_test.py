"""kclient on real Apache Kafka, the newest and an older one: three nodes in KRaft mode, one of which is stopped in the middle of the demo."""
import os
import shlex
import threading
import unittest

from common import CODECS, Settings, kc_consume, kc_produce, lines_of, program, run
from kafka_cluster import PATIENT, WAIT_S, Kafka, java, select_pause

CONSOLE_CONSUMER = "org.apache.kafka.tools.consumer.ConsoleConsumer"
DEMO_MB = "60"


class RealKafka:
    """The tests, for each version below."""
    folder = None
    console_producer = "org.apache.kafka.tools.ConsoleProducer"

    @classmethod
    def setUpClass(cls):
        cls.cluster = Kafka(cls.folder(), nodes=3)
        cls.cluster.__enter__()
        cls.bootstrap = cls.cluster.bootstrap

    @classmethod
    def tearDownClass(cls):
        cls.cluster.__exit__(None, None, None)

    def create(self, topic, partitions=3):
        run([program("kc"), "topic", "create", "-b", self.bootstrap, topic, "-n", str(partitions), "-r", "3"])

    def test_a_topic_is_created_described_and_deleted(self):
        self.create("made", 2)
        text = run([program("kc"), "topic", "describe", "-b", self.bootstrap, "made"]).stdout
        self.assertIn("made\t2 partitions", text)
        run([program("kc"), "topic", "delete", "-b", self.bootstrap, "made"])
        again = run([program("kc"), "topic", "delete", "-b", self.bootstrap, "made"], check=False)
        self.assertEqual(again.returncode, 1)
        self.assertIn("UNKNOWN_TOPIC_OR_PARTITION", again.stderr)

    def test_every_codec_goes_there_and_back_and_java_reads_it(self):
        self.create("codecs")
        wanted = []
        for codec in CODECS:
            lines = lines_of(codec, 1000)
            kc_produce(self.bootstrap, "codecs", lines, "-X", f"compression.type={codec}")
            wanted += lines
        self.assertEqual(sorted(kc_consume(self.bootstrap, "codecs")), sorted(wanted))
        self.assertEqual(sorted(kc_consume(self.bootstrap, "codecs", "-g", "codec-readers")), sorted(wanted))
        text = run(java(self.cluster.libs, CONSOLE_CONSUMER, "--bootstrap-server", self.bootstrap, "--topic", "codecs", "--from-beginning",
                        "--max-messages", str(len(wanted)), "--timeout-ms", "240000")).stdout
        self.assertEqual(sorted(text.splitlines()), sorted(wanted))

    def test_what_java_compressed_is_read(self):
        self.create("java")
        wanted = []
        for codec in CODECS:
            lines = lines_of(codec, 300)
            run(java(self.cluster.libs, self.console_producer, "--bootstrap-server", self.bootstrap, "--topic", "java", *PATIENT, "--compression-codec", codec),
                "".join(line + "\n" for line in lines))
            wanted += lines
        self.assertEqual(sorted(kc_consume(self.bootstrap, "java")), sorted(wanted))

    def test_the_examples_produce_and_consume(self):
        self.create("examples")
        text = run([program("produce_with_callback"), self.bootstrap, "examples", "50"]).stdout
        self.assertEqual(len([line for line in text.splitlines() if " at offset " in line]), 50)
        text = run([program("consume_in_group"), self.bootstrap, "examples", "example-readers", "50"]).stdout
        self.assertEqual(sorted(line.split(": ")[1] for line in text.splitlines()), sorted(f"record {i}" for i in range(50)))

    def test_the_demo_with_a_node_stopped_and_started(self):
        """A consumer is killed and a node stopped half-way; every file comes back equal."""
        node = 2
        process = self.cluster.processes[node]
        wanted = os.path.join(self.cluster.top, "wanted")
        over = threading.Event()

        def start_when_wanted():
            while not os.path.exists(wanted) and not over.is_set():
                select_pause(0.05)
            if os.path.exists(wanted):
                process.wait()
                self.cluster.start_node(node)

        starter = threading.Thread(target=start_when_wanted)
        starter.start()
        try:
            done = run([program("demo"), "/usr/include", "/usr/share/doc", "--bootstrap", self.bootstrap, "--limit", DEMO_MB,
                        "--stop-command", f"kill {process.pid}", "--start-command", f"touch {shlex.quote(wanted)}"], limit=2 * WAIT_S)
            self.assertIn("all files are equal", done.stdout)
            print(done.stdout)
        finally:
            over.set()
            starter.join()
        self.cluster.wait_ready()  # the other tests want all nodes


class NewKafkaTest(RealKafka, unittest.TestCase):
    folder = staticmethod(lambda: Settings.kafka)


class OldKafkaTest(RealKafka, unittest.TestCase):
    console_producer = "kafka.tools.ConsoleProducer"
    folder = staticmethod(lambda: Settings.kafka_old)
