"""kcat (librdkafka) works with mockbroker as with Kafka."""
import re
import subprocess
import threading
import unittest

from common import CODECS, OnMockbroker, kc_consume, kc_produce, kcat, lines_of


class KcatTest(OnMockbroker):
    def test_it_sees_the_cluster_and_its_topics(self):
        self.create("seen", 5, 3)
        text = kcat("-L", "-b", self.bootstrap).stdout
        self.assertIn("3 brokers:", text)
        self.assertIn('topic "seen" with 5 partitions', text)

    def test_every_codec_goes_there_and_back(self):
        for codec in CODECS:
            with self.subTest(codec=codec):
                topic, lines = f"codec-{codec}", lines_of(codec, 2000)
                self.create(topic)
                kcat("-P", "-b", self.bootstrap, "-t", topic, "-z", codec, "-X", "acks=all", "-X", "enable.idempotence=true", text="\n".join(lines))
                read = kcat("-C", "-b", self.bootstrap, "-t", topic, "-o", "beginning", "-e", "-q").stdout.splitlines()
                self.assertEqual(sorted(read), sorted(lines))
                self.assertEqual(sorted(kc_consume(self.bootstrap, topic)), sorted(lines))

    def test_it_reads_what_kclient_wrote_in_every_codec(self):
        for codec in CODECS:
            with self.subTest(codec=codec):
                topic, lines = f"ours-{codec}", lines_of(codec, 2000)
                self.create(topic)
                kc_produce(self.bootstrap, topic, lines, "-X", f"compression.type={codec}")
                read = kcat("-C", "-b", self.bootstrap, "-t", topic, "-o", "beginning", "-e", "-q").stdout.splitlines()
                self.assertEqual(sorted(read), sorted(lines))

    def test_a_group_reads_everything_once_and_goes_on_where_it_was(self):
        self.create("grouped", 4)
        first, second = lines_of("first", 500), lines_of("second", 300)
        kc_produce(self.bootstrap, "grouped", first)
        command = ["-b", self.bootstrap, "-G", "readers", "-X", "auto.offset.reset=earliest", "-q"]
        read = kcat(*command, "-c", "500", "grouped").stdout.splitlines()
        self.assertEqual(sorted(read), sorted(first))
        kc_produce(self.bootstrap, "grouped", second)
        read = kcat(*command, "-c", "300", "grouped").stdout.splitlines()
        self.assertEqual(sorted(read), sorted(second))

    def test_keys_and_headers_survive(self):
        self.create("keyed", 1)
        kcat("-P", "-b", self.bootstrap, "-t", "keyed", "-K:", "-H", "origin=kcat", text="a:1\nb:2\n")
        read = kc_consume(self.bootstrap, "keyed", "-f", "%k=%s %h\\n")
        self.assertEqual(read, ["a=1 origin=kcat", "b=2 origin=kcat"])
        kc_produce(self.bootstrap, "keyed", ["c:3"], "-K", ":", "-H", "origin=kc")
        read = kcat("-C", "-b", self.bootstrap, "-t", "keyed", "-o", "2", "-e", "-q", "-f", "%k=%s %h\n").stdout
        self.assertEqual(read, "c=3 origin=kc\n")


class MockClusterOfLibrdkafka(unittest.TestCase):
    """The other way round: kclient on the mock cluster inside librdkafka, which speaks old versions, and refuses the
    first ApiVersions in a shape of its own.  (Its ListOffsets answers of 2.0 cannot be decoded: reading is kcat's.)"""

    def setUp(self):
        command = ["kcat", "-P", "-b", "mock", "-t", "unused", "-X", "test.mock.num.brokers=1", "-d", "broker"]
        self.mock = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(self.end)
        found = None
        while not found:
            line = self.mock.stderr.readline()
            self.assertTrue(line, "kcat ended without a mock cluster")
            found = re.search(r"127\.0\.0\.1:\d+", line)
        self.bootstrap = found.group(0)
        self.reader = threading.Thread(target=self.mock.stderr.read)  # what it goes on to say must not fill the pipe
        self.reader.start()

    def end(self):
        self.mock.kill()
        self.mock.wait()
        if hasattr(self, "reader"):
            self.reader.join()
        self.mock.stdin.close()
        self.mock.stderr.close()

    def test_kcat_reads_there_what_kclient_wrote(self):
        lines = lines_of("there", 2000)
        kc_produce(self.bootstrap, "there", lines)
        read = kcat("-C", "-b", self.bootstrap, "-t", "there", "-o", "beginning", "-e", "-q").stdout.splitlines()
        self.assertEqual(sorted(read), sorted(lines))
