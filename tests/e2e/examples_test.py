#!/usr/bin/env python3
"""The examples do what their first comment says: each is run against mockbroker, and its output and exit status are read."""
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from programs import LIMIT_S, SOURCE, Mockbroker, program, run  # noqa: E402


class Examples(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.broker = Mockbroker("--topic", "orders:3:1", "--topic", "others:3:1", "--topic", "small:1:1:max.message.bytes=10",
                                "--topic", "watched:3:1", "--topic", "audit:1:1",
                                "--topic", "work:3:1", "--topic", "work.retry:3:1", "--topic", "work.dead:1:1",
                                "--topic", "words:3:1", "--topic", "typed:2:1")

    @classmethod
    def tearDownClass(cls):
        cls.broker.stop()

    def test_there_and_back(self):
        """produce_with_callback tells the place of each record; consume_in_group finds them there, once."""
        out, _ = run("produce_with_callback", self.broker.address, "orders", "100")
        placed = re.findall(r"^record (\d+) -> orders \[(\d)\] at offset (\d+), time \d{13}$", out.decode(), re.M)
        self.assertEqual(sorted(int(number) for number, _, _ in placed), list(range(100)))
        out, err = run("consume_in_group", self.broker.address, "orders", "group", "100")
        found = re.findall(r"^orders \[(\d)\] (\d+): record (\d+)$", out.decode(), re.M)
        self.assertEqual({(n, p, o) for p, o, n in found}, set(placed))
        self.assertEqual(len(found), 100)
        self.assertEqual(err.decode().count("now ours: orders"), 3)

    def test_group_goes_on(self):
        """What the group has committed does not come again; SIGTERM ends it with status 0."""
        run("produce_with_callback", self.broker.address, "others", "5")
        with subprocess.Popen([program("consume_in_group"), self.broker.address, "others", "another"], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE) as process:
            seen = [process.stdout.readline() for _ in range(5)]
            process.send_signal(signal.SIGTERM)
            seen += process.stdout.read().splitlines(keepends=True)
            self.assertEqual(process.wait(timeout=LIMIT_S), 0)
        run("produce_with_callback", self.broker.address, "others", "5")
        out, _ = run("consume_in_group", self.broker.address, "others", "another", "5")
        self.assertFalse({line.split(b":")[0] for line in out.splitlines()} & {line.split(b":")[0] for line in seen})

    def test_failures(self):
        """A record that is refused is told with its error and makes the status 1; wrong usage is 2."""
        out, _ = run("produce_with_callback", self.broker.address, "small", "1", status=1)
        self.assertRegex(out.decode(), r"^record 0 failed: \w*TOO_LARGE: ")
        for name in ("produce_with_callback", "consume_in_group", "deserializer", "worker"):
            self.assertIn(b"usage: ", run(name, status=2)[1])

    def test_interceptors(self):
        """Each record is measured, each has its line in the audit topic, and the integers arrive as they were."""
        out, _ = run("interceptors", self.broker.address, "watched", "audit", "50")
        self.assertRegex(out.decode(), r"^sum 1225; 50 records, p50 \d+\.\d ms, p99 \d+\.\d ms, max \d+\.\d ms$")
        lines, _ = run("kc", "consume", "-b", self.broker.address, "-t", "audit", "-o", "beginning", "-e")
        results = [json.loads(line) for line in lines.splitlines()]
        self.assertEqual([(r["topic"], r["result"]) for r in results], [("watched", "OK")] * 50)
        self.assertEqual(len({(r["partition"], r["offset"]) for r in results}), 50)

    def test_deserializer(self):
        """Orders are added up; those that are none are named, each once, and hold up nobody."""
        lines = ["tea 2 1.50", "what?", "cups 4 2.25", "tea one 1", "pot 1 10"]
        for line in lines:
            run("kc", "produce", "-b", self.broker.address, "-t", "typed", data=line.encode())
        out, _ = run("deserializer", self.broker.address, "typed", "5")
        self.assertRegex(out.decode(), r"^(no order: typed \[\d\] at offset \d+\n){2}total 22.00\n$")
        self.assertEqual(len(set(out.splitlines())), 3)

    def test_worker(self):
        """Killed in the middle and started again: every record is handled, those of a key in their order, and the bad one is put
        aside with the cause."""
        lines = [f"k{i % 20}:{'bad' if i == 77 else ''}{i}" for i in range(300)]
        run("kc", "produce", "-b", self.broker.address, "-t", "work", "-K", ":", data="\n".join(lines).encode())
        good = {line.replace(":", ": ") for line in lines if "bad" not in line}
        arguments = [program("worker"), self.broker.address, "work", "workers"]
        with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            runs = [[process.stdout.readline().decode().strip() for _ in range(100)]]
            process.kill()
            runs[0] += [line for line in process.stdout.read().decode().split("\n")[:-1] if line in good]  # the last one may be half a line
        self.broker.control("POST", "/v1/clock/advance", {"ms": 60000})  # the session of the one that was killed is over
        with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            runs.append([])
            while not good <= {line for done in runs for line in done}:
                line = process.stdout.readline().decode().strip()
                self.assertIn(line, good)
                runs[1].append(line)
            dead, _ = run("kc", "consume", "-b", self.broker.address, "-t", "work.dead", "-o", "beginning", "-c", "1", "-J")
            process.send_signal(signal.SIGTERM)
            _, err = process.communicate(timeout=LIMIT_S)
            self.assertEqual(process.returncode, 0, err)
        for done in runs:
            for key in range(20):
                numbers = [int(line.split(": ")[1]) for line in done if line.startswith(f"k{key}: ")]
                self.assertEqual(numbers, sorted(set(numbers)))
        self.assertIn(b"I do not like this value", dead)
        self.assertIn(b"bad77", dead)

    @unittest.skipUnless(os.path.exists(program("sqlite_offsets")), "built only where the headers of sqlite3 are")
    def test_sqlite_offsets(self):
        """Killed in the middle, and again: each word is counted exactly once, since its offset is in the same transaction."""
        words = [f"w{i % 50}" for i in range(3000)]
        run("kc", "produce", "-b", self.broker.address, "-t", "words", data="\n".join(words).encode())
        with tempfile.TemporaryDirectory() as folder:
            file = os.path.join(folder, "words.db")
            arguments = [program("sqlite_offsets"), self.broker.address, "words", "counters", file]
            stored = 0
            for _ in range(2):
                if stored < len(words):  # else there is nothing that it could print
                    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
                        process.stdout.readline()  # some are stored; what else may be under way
                        process.kill()
                    self.broker.control("POST", "/v1/clock/advance", {"ms": 60000})
                    database = sqlite3.connect(file, timeout=LIMIT_S)
                    stored = database.execute("SELECT sum(count) FROM words").fetchone()[0]
                    self.assertGreater(stored, 0)
                    database.close()
            if stored < len(words):
                run("sqlite_offsets", *arguments[1:], str(len(words) - stored))
            database = sqlite3.connect(file, timeout=LIMIT_S)
            self.assertEqual(database.execute("SELECT count(*), min(count), max(count) FROM words").fetchone(), (50, 60, 60))
            self.assertEqual(database.execute("SELECT sum(next) FROM offsets").fetchone()[0], len(words))
            database.close()

    def test_embedded_cluster(self):
        """The cluster inside the test process loses a broker, the code under test loses nothing."""
        out, _ = run("embed_mockbroker")
        self.assertEqual(out.decode().splitlines(), ["ok: all orders were acknowledged", "ok: another broker leads now",
                                                     "ok: each order is in the log exactly once"])

    def test_faults(self):
        """A broker that writes and breaks off before it says so: sent twice, written once."""
        out, _ = run("inject_faults")
        self.assertEqual(out.decode(), "ok: sent twice, written once\n")

    def test_all_are_run(self):
        """A new example needs a story here."""
        with open(os.path.abspath(__file__), encoding="utf-8") as f:
            here = f.read()
        for name in os.listdir(os.path.join(SOURCE, "examples")):
            if name.endswith(".c"):
                self.assertIn(f'"{name[:-2]}"', here)


if __name__ == "__main__":
    unittest.main()
