#!/usr/bin/env python3
"""Stories of kc, the command-line tool, against a mockbroker process: what goes in comes out, whatever its bytes; and the exit
status tells a script how it went (0 done, 1 failed, 2 wrong usage)."""
import base64
import json
import os
import signal
import struct
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from programs import LIMIT_S, Mockbroker, program, run  # noqa: E402

UNREACHABLE = "127.0.0.1:1"
LIMITS_MS = (500, 60000)  # of a call that is to run out of time: on a loaded machine the short one may be over before anything was tried


class Kc(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.broker = Mockbroker(brokers=3)

    @classmethod
    def tearDownClass(cls):
        cls.broker.stop()

    def setUp(self):
        self.topic = self.id().rsplit(".", 1)[-1]

    def kc(self, command, *arguments, address=None, **more):
        return run("kc", *command.split(), "-b", address or self.broker.address, *arguments, **more)

    def create(self, partitions=1, *arguments):
        self.kc("topic create", self.topic, "-n", str(partitions), "-r", "3", *arguments)

    def produce(self, data, *arguments, **more):
        return self.kc("produce", "-t", self.topic, *arguments, data=data, **more)

    def consume(self, *arguments, begin=True, end=True, **more):
        """stdout of reading everything there is."""
        return self.kc("consume", "-t", self.topic, *(["-o", "beginning"] if begin else []), *(["-e"] if end else []), *arguments, **more)[0]

    def refuses(self, word, *arguments, status=2, **more):
        """A wrong usage or a failure is told in one line that names the cause."""
        out, err = run("kc", *arguments, status=status, **more)
        self.assertEqual(out, b"")
        self.assertIn(word, err.decode())
        self.assertTrue(err.startswith(b"kc: "), err)
        return err.decode()

    def refused_in_time(self, words, arguments_of, **more):
        """A call that waits as long as it may, and then says why: the limit of LIMITS_MS that was long enough for it to come so far."""
        for limit_ms in LIMITS_MS:
            err = self.refuses("", *arguments_of(limit_ms), status=1, **more)
            if words in err.lower():
                break
        self.assertIn(words, err.lower())
        return limit_ms

    # ---- there and back ----
    def test_lines(self):
        """A line is a record, with or without a newline at the end of the input; an empty line is an empty record."""
        self.create()
        self.produce(b"one\n\nthree\nlast without newline")
        self.assertEqual(self.consume(), b"one\n\nthree\nlast without newline\n")

    def test_keys_and_headers(self):
        """-K cuts at the first delimiter, which may be long; a line without it has no key; -H goes to every record."""
        self.create()
        self.produce(b"k1::v1\nk2::v::2\nno key\n::empty key\n", "-K", "::", "-H", "a=b", "-H", "empty=")
        self.assertEqual(self.consume("-f", "%o %K %k|%s|%h\\n"),
                         b"0 2 k1|v1|a=b,empty=\n1 2 k2|v::2|a=b,empty=\n2 -1 |no key|a=b,empty=\n3 0 |empty key|a=b,empty=\n")

    def test_equal_keys_share_a_partition(self):
        """Keys choose the partition as the Java client does: murmur2."""
        self.create(12)
        self.produce(b"".join(b"key-%d:%d\n" % (i % 10, i) for i in range(1000)), "-K", ":")
        places = {}
        for line in self.consume("-f", "%k %p\\n").decode().split("\n")[:-1]:
            key, partition = line.split()
            places.setdefault(key, set()).add(partition)
        self.assertEqual(len(places), 10)
        for key, partitions in places.items():
            self.assertEqual(partitions, {str(murmur2(key.encode()) % 12)}, key)

    def test_one_partition(self):
        """-p writes to and reads from one partition only; -k gives one key to all."""
        self.create(3)
        self.produce(b"x\ny\n", "-p", "2", "-k", "same")
        self.assertEqual(self.consume("-p", "2", "-f", "%p %k %s\\n"), b"2 same x\n2 same y\n")
        self.assertEqual(self.consume("-p", "1"), b"")
        self.assertIn(b"no partition 7", self.kc("consume", "-t", self.topic, "-p", "7", status=1)[1])
        self.refused_in_time("no partition 7", lambda limit_ms: ["produce", "-b", self.broker.address, "-t", self.topic, "-p", "7", "-X", f"max.block.ms={limit_ms}"],
                             data=b"z\n")

    def test_delimiter(self):
        """-D takes the place of the newline, escapes are understood."""
        self.create()
        self.produce(b"a\nb\0\0c\0\0", "-D", "\\x00\\x00")
        self.assertEqual(self.consume("-f", "<%s>"), b"<a\nb><c>")

    def test_length_prefixed(self):
        """Any bytes survive the way there and back with -P."""
        values = [b"", b"\n", bytes(range(256)), b"\0" * 5, os.urandom(100000), b"end"]
        packed = b"".join(struct.pack(">I", len(v)) + v for v in values)
        self.create()
        self.produce(packed, "-P", "-X", "compression.type=zstd")
        self.assertEqual(self.consume("-P"), packed)
        self.assertIn(b"middle of a length-prefixed record", self.produce(packed[:-1], "-P", status=1)[1])
        self.assertIn(b"beyond the limit", self.produce(b"\xff\xff\xff\xff", "-P", status=1)[1])

    def test_json(self):
        """-J is lossless: text is text, other bytes are base64, null is null."""
        binary, text = b"\xff\x00\xfe", 'quote " backslash \\ tab \t umlaut \u00e4 \U0001f600 bell \x07'
        self.create()
        for value in (binary, text.encode(), b""):
            self.produce(struct.pack(">I", len(value)) + value, "-P", "-k", "k", "-H", "h=v")
        self.produce(b"\xc0\xaf\n")  # no UTF-8, though it looks like it
        records = [json.loads(line) for line in self.consume("-J").decode().splitlines()]
        self.assertEqual(base64.b64decode(records[0]["value"]["base64"]), binary)
        self.assertEqual([r["value"] for r in records[1:3]], [text, ""])
        self.assertEqual(base64.b64decode(records[3]["value"]["base64"]), b"\xc0\xaf")
        self.assertEqual([r["key"] for r in records], ["k", "k", "k", None])
        self.assertEqual([r["headers"] for r in records], [[["h", "v"]]] * 3 + [[]])
        self.assertEqual([r["offset"] for r in records], [0, 1, 2, 3])
        self.assertEqual({(r["topic"], r["partition"]) for r in records}, {(self.topic, 0)})
        self.assertTrue(all(r["timestamp"] > 1600000000000 for r in records))

    def test_format(self):
        """Every field of -f, and every escape."""
        self.create()
        self.produce(b"k:value\n", "-K", ":", "-H", "a=1")
        out = self.consume("-f", "%t %p %o %k %s %K %S %h %%\\t\\x41\\n").decode()
        self.assertEqual(out, f"{self.topic} 0 0 k value 1 5 a=1 %\tA\n")

    def test_tombstones(self):
        """With -Z an empty value is null; without, it is empty."""
        self.create()
        self.produce(b"k:\n", "-K", ":", "-Z")
        self.produce(b"k:\n", "-K", ":")
        self.assertEqual(self.consume("-f", "%S "), b"-1 0 ")

    def test_files(self):
        """-l and arguments name files, - is stdin, in this order; one that is missing is named."""
        self.create()
        with tempfile.TemporaryDirectory() as folder:
            paths = [os.path.join(folder, name) for name in ("one", "two")]
            for path in paths:
                with open(path, "w", encoding="utf-8") as f:
                    f.write(os.path.basename(path) + "\n")
            self.produce(b"stdin\n", "-l", paths[0], "-l", "-", paths[1])
            self.assertEqual(self.consume(), b"one\nstdin\ntwo\n")
            self.assertIn(b"absent: No such file", self.produce(b"", "-l", os.path.join(folder, "absent"), status=1)[1])

    def test_codecs(self):
        """What one codec wrote is read without being told which."""
        self.create()
        wanted = b""
        for codec in ("none", "gzip", "snappy", "lz4", "zstd"):
            lines = b"".join(b"%s %d\n" % (codec.encode(), i) for i in range(2000))
            self.produce(lines, "-X", f"compression.type={codec}")
            wanted += lines
        self.assertEqual(self.consume(), wanted)

    def test_large_input(self):
        """More than any buffer of kc, in many batches, to several partitions: nothing is lost, order within a key holds."""
        self.create(4)
        data = b"".join(b"%d:%08d %s\n" % (i % 7, i, b"x" * (i % 200)) for i in range(100000))
        self.produce(data, "-K", ":")
        seen = {}
        for line in self.consume("-f", "%k:%s\\n").splitlines(keepends=True):
            seen.setdefault(line.split(b":")[0], []).append(line)
        self.assertEqual(sum(map(len, seen.values())), 100000)
        for lines in seen.values():
            self.assertEqual(lines, sorted(lines))

    # ---- where to begin and to end ----
    def test_where(self):
        """-o takes an offset, the beginning, the end, or a time; -c ends after so many."""
        self.create()
        self.produce(b"0\n1\n2\n")
        self.produce(b"3\n4\n")
        times = [int(t) for t in self.consume("-f", "%T\\n").split()]
        self.assertGreater(times[3], times[2])
        for where, wanted in (("1", b"1\n2\n3\n4\n"), ("end", b""), (f"@{times[3]}", b"3\n4\n"), ("@0", b"0\n1\n2\n3\n4\n"),
                              (f"@{times[4] + 100000}", b"")):
            self.assertEqual(self.consume("-o", where, begin=False), wanted, where)
        self.assertEqual(self.consume("-c", "2", end=False), b"0\n1\n")
        self.assertEqual(self.consume("-c", "0", end=False), b"")

    def test_empty_topic(self):
        """-e on a topic without records ends at once; -q only counts."""
        self.create(6)
        self.assertEqual(self.consume(), b"")
        self.produce(b"1\n2\n3\n")
        out, err = self.kc("consume", "-t", self.topic, "-o", "beginning", "-e", "-q")
        self.assertEqual((out, err), (b"", b"3 records\n"))

    def test_group_resumes(self):
        """A member goes on where the group has been; -c N leaves the rest to the next one."""
        self.create()
        self.produce(b"".join(b"%d\n" % i for i in range(10)))
        first = self.kc("consume", "-t", self.topic, "-g", self.topic, "-o", "beginning", "-c", "4")[0]
        rest = self.kc("consume", "-t", self.topic, "-g", self.topic, "-o", "beginning", "-e")[0]
        self.assertEqual(first, b"0\n1\n2\n3\n")
        self.assertEqual(rest, b"4\n5\n6\n7\n8\n9\n")
        self.assertEqual(self.kc("consume", "-t", self.topic, "-g", self.topic, "-e")[0], b"")

    def test_interrupt(self):
        """SIGTERM ends a consumer that waits, with status 0 and everything printed."""
        self.create()
        self.produce(b"hello\n")
        with subprocess.Popen([program("kc"), "consume", "-b", self.broker.address, "-t", self.topic, "-o", "beginning"],
                              stdout=subprocess.PIPE) as process:
            self.assertEqual(process.stdout.readline(), b"hello\n")
            process.send_signal(signal.SIGTERM)
            self.assertEqual(process.wait(timeout=LIMIT_S), 0)

    def test_full_output(self):
        """Output that cannot be written is a failure, not a silence."""
        self.create()
        self.produce(b"x" * 10000 + b"\n")
        with open("/dev/full", "wb") as full:
            done = subprocess.run([program("kc"), "consume", "-b", self.broker.address, "-t", self.topic, "-o", "beginning", "-e"],
                                  stdout=full, stderr=subprocess.PIPE, timeout=LIMIT_S, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"stdout", done.stderr)

    # ---- topics ----
    def test_topics(self):
        """create, list, describe and delete; what does not work says why."""
        self.create(3, "-c", "retention.ms=1000", "-c", "cleanup.policy=compact")
        self.assertIn(f"{self.topic}\t3 partitions\n", self.kc("topic list")[0].decode())
        lines = self.kc("topic describe", self.topic)[0].decode().splitlines()
        self.assertEqual(lines[0], f"{self.topic}\t3 partitions")
        self.assertEqual(len(lines), 4)
        for i, line in enumerate(lines[1:]):
            self.assertRegex(line, rf"^  {i}\tleader [123]\tepoch 0\treplicas [123],[123],[123]\tisr [123],[123],[123]$")
        self.kc("topic delete", self.topic)
        self.assertNotIn(self.topic, self.kc("topic list")[0].decode())

        self.kc("topic create", self.topic)  # the broker's defaults
        address = ["-b", self.broker.address]
        self.refuses("exists", "topic", "create", *address, self.topic, status=1)
        self.refuses("only 3 broker", "topic", "create", *address, self.topic + "-wide", "-r", "9", status=1)
        self.refuses("no.such.config", "topic", "create", *address, self.topic + "-odd", "-c", "no.such.config=1", status=1)
        self.refuses("UNKNOWN_TOPIC_OR_PARTITION", "topic", "describe", *address, "absent", status=1)
        self.refuses("absent", "topic", "delete", *address, "absent", status=1)
        self.refuses("TOPIC", "topic", "create", *address)
        self.refuses("TOPIC", "topic", "delete", *address)
        self.refuses("list, describe", "topic", "frob", *address)
        self.refuses("list, describe", "topic", *address)
        self.refuses("whole number", "topic", "create", *address, "t", "-n", "many")

    def behind(self, broker, count=None):
        """From now on `broker` shows the topics as they are, so many times or until the end of the test; the id of the fault."""
        fault = {"match": {"broker": broker, "api": "Metadata"}, "action": {"type": "stale_metadata"}}
        if count:
            fault["count"] = count
        fault_id = self.broker.control("POST", "/v1/faults", fault)["id"]
        self.addCleanup(self.broker.control, "DELETE", "/v1/faults")
        return fault_id

    def hits(self, fault):
        return self.broker.control("GET", f"/v1/faults/{fault}")["hits"]

    def test_create_and_delete_wait_for_a_broker_that_learns_late(self):
        """Brokers learn of a topic one by one; when create returns all know it, and when delete returns none does."""
        late = self.behind(2, 5)
        self.create(3)
        self.assertEqual(self.hits(late), 5)
        self.assertIn(f"{self.topic}\t3 partitions", self.kc("topic describe", self.topic)[0].decode())
        late = self.behind(3, 5)
        self.kc("topic delete", self.topic)
        self.assertEqual(self.hits(late), 5)
        self.kc("topic describe", self.topic, status=1)

    def test_create_and_delete_say_which_broker_is_behind(self):
        """A broker that does not catch up in time is named, and the topic is as was asked for."""
        for limit_ms in LIMITS_MS:
            self.kc("topic create", f"gone-{limit_ms}")
        self.behind(2)
        used_ms = self.refused_in_time("was created, but broker 2 does not know it yet",
                                       lambda limit_ms: ["topic", "create", "-b", self.broker.address, f"made-{limit_ms}", "-T", str(limit_ms)])
        self.broker.control("DELETE", "/v1/faults")
        self.kc("topic describe", f"made-{used_ms}")
        self.behind(1)
        self.behind(3)
        used_ms = self.refused_in_time("was deleted, but broker 1 still knows it; 1 more are behind",
                                       lambda limit_ms: ["topic", "delete", "-b", self.broker.address, f"gone-{limit_ms}", "-T", str(limit_ms)])
        self.broker.control("DELETE", "/v1/faults")
        self.kc("topic describe", f"gone-{used_ms}", status=1)

    def test_create_and_delete_do_not_wait_for_a_broker_that_cannot_be_reached(self):
        """Who cannot reach a broker is not misled by it: a closed door holds up nobody, though the others tell of the broker."""
        with Mockbroker(brokers=3) as cluster:
            cluster.control("POST", "/v1/faults", {"match": {"broker": 3}, "action": {"type": "refuse"}})
            address = cluster.address.split(",")[0]
            self.kc("topic create", self.topic, "-n", "1", "-r", "1", address=address)
            self.kc("topic delete", self.topic, address=address)

    # ---- exit statuses ----
    def test_failing_records(self):
        """A record that the broker refuses makes the status 1 and is told; the others are delivered."""
        self.create(1, "-c", "max.message.bytes=1000")
        err = self.produce(b"small\n" + os.urandom(3000).hex().encode() + b"\nsmall too\n", "-X", "linger.ms=0", status=1)[1].decode()
        self.assertIn("failed", err)
        self.assertRegex(err, "TOO_LARGE")
        self.assertEqual(self.consume(), b"small\nsmall too\n")

    def test_wrong_usage(self):
        """Bad options: status 2 and a line that names the mistake."""
        self.refuses("-t TOPIC is missing", "produce", "-b", UNREACHABLE)
        self.refuses("-t TOPIC is missing", "consume", "-b", UNREACHABLE)
        self.refuses("-t TOPIC is missing", "perf", "produce", "-b", UNREACHABLE)
        self.refuses("produce, consume or latency", "perf", "frob", "-t", "t", "-b", UNREACHABLE)
        self.refuses("linger.ms", "produce", "-t", "t", "-X", "lingerms=1")  # the nearest name
        self.refuses("linger.ms", "produce", "-t", "t", "-X", "linger.ms=soon")
        self.refuses("key=value", "produce", "-t", "t", "-X", "linger")
        self.refuses("NAME=VALUE", "produce", "-t", "t", "-H", "nothing")
        self.refuses("exclude", "consume", "-t", "t", "-g", "g", "-p", "0")
        self.refuses("need a group", "consume", "-t", "t", "-t", "u")
        self.refuses("-o", "consume", "-t", "t", "-o", "somewhere")
        self.refuses("in a group", "consume", "-t", "t", "-g", "g", "-o", "5")
        self.refuses("whole number", "consume", "-t", "t", "-c", "-1")
        self.refuses("-o", "consume", "-t", "t", "-o", "9223372036854775808")
        self.refuses("-o", "consume", "-t", "t", "-o", "@ 5")
        self.refuses("-f", "consume", "-t", "t", "-f", "%s %z")
        self.refuses("-f", "consume", "-t", "t", "-f", "%s %")
        for two in (("-f", "%s", "-J"), ("-J", "-P"), ("-P", "-f", "%s")):
            self.refuses("exclude", "consume", "-t", "t", *two)
        for two in (("-K", ":", "-k", "key"), ("-P", "-D", ";")):
            self.refuses("exclude", "produce", "-t", "t", *two)
        self.refuses("-K must not be empty", "produce", "-t", "t", "-K", "")
        self.refuses("-g", "perf", "produce", "-t", "t", "-g", "group")
        self.refuses("produce, consume or latency", "perf", "-t", "t")
        for line in ("consume -t t more", "perf produce -t t more", "topic list more", "config-reference more", "--version more"):
            self.refuses('"more" is too much', *line.split())
        self.refuses("list, describe, create or delete", "topic", "frob", "t")
        for options in (("-n", "3"), ("-r", "3"), ("-c", "a=b")):
            self.refuses("only create", "topic", "describe", "t", *options)
        self.refuses("one TOPIC", "topic", "create", "t", "u")
        self.refuses("key=value", "topic", "create", "t", "-c", "retention.ms")
        self.refuses('no command "frob"', "frob")
        self.refuses("kc: -X: linger.ms=-5: a whole number from 0 to ", "produce", "-t", "t", "-X", "linger.ms=-5")
        self.refuses("kc: -X: compresion.type: there is no such configuration key; did you mean compression.type?", "produce", "-t", "t",
                     "-X", "compresion.type=gzip")
        self.refuses("by_duration:PT2H is needed", "consume", "-t", "t", "-X", "auto.offset.reset=by_duration:soon")
        self.assertIn(b"kc produce", run("kc", status=2)[1])
        for command in ("produce", "consume", "topic", "perf"):
            self.refuses(f"{command}: unknown option --frob", command, "--frob", "-t", "t")
            self.assertIn(b"-X KEY=VALUE", run("kc", command, "--help")[0])
        self.refuses("consume: unknown option -j", "consume", "-qj")
        self.refuses("produce: -X needs a value", "produce", "-t", "t", "-X")
        self.assertRegex(run("kc", "--version")[0], rb"^kc \d+\.\d+\.\d+\n$")

    def test_no_cluster(self):
        """Nobody there: status 1 in good time, and the text names the address and the cause."""
        produce = ["produce", "-t", "t", "-X", "delivery.timeout.ms=1500", "-X", "request.timeout.ms=1000", "-X", "linger.ms=0", "-X"]
        for command, limit in ((produce, "max.block.ms={}"), (["topic", "list", "-T"], "{}")):
            self.refused_in_time(f"{UNREACHABLE}: connection refused", lambda limit_ms, c=command, l=limit: [*c, l.format(limit_ms), "-b", UNREACHABLE], data=b"x\n")
        self.refuses("bootstrap.servers", "produce", "-t", "t", status=1)

    # ---- measuring ----
    def test_perf(self):
        """kc perf prints one line of JSON with the agreed fields, and the figures fit each other."""
        fields = {"records", "bytes", "seconds", "records_per_s", "mb_per_s", "cpu_user_s", "cpu_sys_s", "max_rss_kb", "errors"}
        self.create(3)

        def perf(what, *arguments):
            out = self.kc(f"perf {what}", "-t", self.topic, *arguments)[0]
            self.assertEqual(out.count(b"\n"), 1)
            result = json.loads(out)
            self.assertLessEqual(fields, set(result))
            self.assertEqual(result["errors"], 0)
            self.assertGreater(result["seconds"], 0)
            self.assertAlmostEqual(result["records_per_s"] * result["seconds"], result["records"], delta=result["records"] * 0.05)
            return result

        produced = perf("produce", "-n", "20000", "-s", "50", "-k")
        self.assertEqual((produced["records"], produced["bytes"]), (20000, 1000000))
        for group in ([], ["-g", self.topic]):
            consumed = perf("consume", "-n", "20000", *group)
            self.assertEqual((consumed["records"], consumed["bytes"]), (20000, 1000000))
        threads = ["-j", "2", "-d", "60"]
        self.assertEqual(perf("produce", "-n", "20001", "-s", "50", "-V", *threads)["records"], 20001)
        self.assertEqual(perf("consume", "-n", "40001", *threads)["bytes"], 50 * 40001)
        ended = perf("produce", "-n", "1000000", "-R", "1000", "-d", "1")
        self.assertLess(ended["records"], 1000000)
        self.refuses("latency has one thread", "perf", "latency", "-b", UNREACHABLE, "-t", self.topic, "-j", "2")
        latency = perf("latency", "-n", "2000", "-R", "4000")
        self.assertEqual(set(latency) - fields, {"p50_us", "p99_us", "p999_us", "max_us"})
        self.assertTrue(0 < latency["p50_us"] <= latency["p99_us"] <= latency["p999_us"] <= latency["max_us"])
        self.kc("topic create", "small", "-c", "max.message.bytes=1000")
        refused = json.loads(self.kc("perf produce", "-t", "small", "-n", "3", "-s", "5000", status=1)[0])
        self.assertEqual((refused["records"], refused["errors"]), (0, 3))
        shown = self.kc("perf produce", "-t", self.topic, "-n", "100", "-M", "-X", "client.id=shown")[1].decode()
        self.assertIn(f'\nkc_producer_topic_records_sent_total{{client_id="shown",topic="{self.topic}"}} 100\n', shown)


def murmur2(data):
    """Of Kafka's default partitioner, with the sign bit cleared."""
    mask, m, h, at = 0xFFFFFFFF, 0x5BD1E995, 0x9747B28C ^ len(data), 0
    while at + 4 <= len(data):
        k = int.from_bytes(data[at:at + 4], "little") * m & mask
        k = (k ^ k >> 24) * m & mask
        h = (h * m & mask) ^ k
        at += 4
    rest = data[at:]
    if rest:
        h = (h ^ int.from_bytes(rest, "little")) * m & mask
    h = (h ^ h >> 13) * m & mask
    return (h ^ h >> 15) & 0x7FFFFFFF


if __name__ == "__main__":
    unittest.main()
