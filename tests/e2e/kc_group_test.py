#!/usr/bin/env python3
"""Stories of kc group: what it shows is what consumers did, what it changes they see, and it refuses what the group forbids."""
import os
import signal
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from programs import LIMIT_S, Mockbroker, program, run  # noqa: E402


class KcGroup(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.broker = Mockbroker(brokers=3)

    @classmethod
    def tearDownClass(cls):
        cls.broker.stop()

    def setUp(self):
        self.topic = self.group = self.id().rsplit(".", 1)[-1]

    def kc(self, command, *arguments, **more):
        out, err = run("kc", *command.split(), "-b", self.broker.address, *arguments, **more)
        return out.decode(), err.decode()

    def fill(self, records):
        self.kc("topic create", self.topic, "-n", "2", "-r", "3")
        for partition, count in enumerate(records):
            self.kc("produce", "-t", self.topic, "-p", str(partition), data=b"r\n" * count)

    def read(self, count):
        """A group that has read and committed so many."""
        run("consume_in_group", self.broker.address, self.topic, self.group, str(count))

    def lag(self, *arguments):
        """partition -> (committed, end, lag, state)"""
        out, _ = self.kc("group lag", self.group, *arguments)
        rows = [line.split("\t") for line in out.splitlines() if not line.startswith("#")]
        return {int(r[1]): (r[2], r[3], r[4], r[7]) for r in rows}

    def test_reset(self):
        """Offsets are moved to the beginning, the end, a number, a time and by a difference, within what is there; a dry run only
        says so; another partition stays."""
        self.fill([10, 4])
        self.read(14)
        done = ("10", "10", "0", "up to date"), ("4", "4", "0", "up to date")
        self.assertEqual(self.lag(), {0: done[0], 1: done[1]})
        out, _ = self.kc("group reset", self.group, "-t", self.topic, "-o", "beginning", "--dry-run")
        self.assertEqual(out, f"{self.topic}\t0\t10 -> 0\t(not done)\n{self.topic}\t1\t4 -> 0\t(not done)\n")
        self.assertEqual(self.lag(), {0: done[0], 1: done[1]})
        for where, offset in (("3", 3), ("+2", 5), ("-4", 1), ("-100", 0), ("1000", 10), ("@0", 0), ("end", 10), ("beginning", 0)):
            out, _ = self.kc("group reset", self.group, "-t", self.topic + ":0", "-o", where)
            self.assertRegex(out, rf"^{self.topic}\t0\t\d+ -> {offset}\n$")
        self.assertEqual(self.lag(), {0: ("0", "10", "10", "nobody reads it"), 1: done[1]})
        out, _ = run("consume_in_group", self.broker.address, self.topic, self.group, "10")
        self.assertEqual(len(out.splitlines()), 10)

    def test_members(self):
        """While a member reads, describe names it, lag shows it, and the group cannot be reset or deleted; afterwards it can."""
        self.fill([3, 3])
        with subprocess.Popen([program("consume_in_group"), self.broker.address, self.topic, self.group], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE) as process:
            for _ in range(6):
                process.stdout.readline()
            out, _ = self.kc("group describe", self.group)
            self.assertRegex(out, rf"^{self.group}\tStable\tclassic\tassignor range\t1 member\n  \S+\tkclient\t/127.0.0.1\t{self.topic}:0,1\n$")
            _, err = self.kc("group reset", self.group, "-t", self.topic, "-o", "end", status=1)
            self.assertIn("has members: stop them first", err)
            _, err = self.kc("group delete", self.group, status=1)
            self.assertIn("NON_EMPTY_GROUP", err)
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=LIMIT_S)
        self.assertIn(f"{self.group}\tEmpty\tclassic\n", self.kc("group list")[0])
        self.kc("group delete-offsets", self.group, "-t", self.topic + ":1")
        self.assertEqual(set(self.lag()), {0})
        self.kc("group delete", self.group)
        self.assertNotIn(self.group + "\t", self.kc("group list")[0])
        for verb in ("describe", "delete", "lag"):
            self.assertIn("GROUP_ID_NOT_FOUND", self.kc(f"group {verb}", self.group, status=1)[1])

    def test_new_protocol(self):
        """A group of KIP-848 is described with its epoch; watching goes on until it is interrupted."""
        self.fill([2, 2])
        with subprocess.Popen([program("kc"), "consume", "-b", self.broker.address, "-t", self.topic, "-g", self.group, "-X",
                               "group.protocol=consumer", "-o", "beginning"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            for _ in range(4):
                process.stdout.readline()
            out, _ = self.kc("group describe", self.group)
            self.assertRegex(out, rf"^{self.group}\t\w+\tconsumer\tassignor uniform\t1 member\tepoch \d+\n  \S+\t\S+\t\S+\tepoch \d+\t{self.topic}:0,1\n$")
            with subprocess.Popen([program("kc"), "group", "lag", "-b", self.broker.address, self.group, "-w", "-i", "20"],
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE) as watch:
                looks = 0
                while looks < 3:
                    line = watch.stdout.readline()
                    self.assertTrue(line, "it ended by itself")
                    looks += line.startswith(b"# " + self.group.encode())
                watch.send_signal(signal.SIGTERM)
                watch.communicate(timeout=LIMIT_S)
                self.assertEqual(watch.returncode, 0)
            process.kill()
            process.communicate(timeout=LIMIT_S)

    def test_the_coordinator_moves(self):
        """An answer that the coordinator is another one, and one that it still loads: asked again, no error."""
        self.fill([2, 2])
        self.read(4)
        for error in ("NOT_COORDINATOR", "COORDINATOR_LOAD_IN_PROGRESS"):
            for api, command in (("OffsetFetch", "lag"), ("ConsumerGroupDescribe", "describe")):
                fault = self.broker.control("POST", "/v1/faults", {"match": {"api": api}, "count": 1, "action": {"type": "error", "error": error}})
                self.kc(f"group {command}", self.group)
                self.assertEqual(self.broker.control("GET", f"/v1/faults/{fault['id']}")["hits"], 1)
                self.broker.control("DELETE", f"/v1/faults/{fault['id']}")

    def test_wrong_usage(self):
        """Status 2, with a pointer to the help."""
        for arguments in ([], ["nonsense"], ["list", "g"], ["describe"], ["lag", "a", "b"], ["reset", "g"], ["reset", "g", "-t", "t"],
                          ["delete-offsets", "g"], ["list", "-T", "x"]):
            self.assertIn("kc: group: ", run("kc", "group", *arguments, "-b", self.broker.address, status=2)[1].decode())
        self.fill([1, 0])
        for where in ("nonsense", "@x", "5x"):
            self.kc("group reset", self.group, "-t", self.topic, "-o", where, status=2)
        self.assertIn("nothing to shift", self.kc("group reset", self.group, "-t", self.topic, "-o", "+1", status=1)[1])
        self.assertIn("no such partition", self.kc("group reset", self.group, "-t", self.topic + ":9", "-o", "end", status=1)[1])
        self.assertIn("kc group list", run("kc", "group", "--help")[0].decode())


if __name__ == "__main__":
    unittest.main()
