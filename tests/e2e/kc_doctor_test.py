#!/usr/bin/env python3
"""Stories of kc doctor and kc cluster: a healthy cluster passes, and the first step that fails is named with its reason."""
import os
import re
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from programs import Mockbroker, run  # noqa: E402

REFUSED = "127.0.0.1:1"


class KcDoctor(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.broker = Mockbroker("--topic", "orders:2:3", brokers=3)

    @classmethod
    def tearDownClass(cls):
        cls.broker.stop()

    def doctor(self, *arguments, address=None, status=0):
        out, _ = run("kc", "doctor", "-b", address or self.broker.address, *arguments, status=status)
        return out.decode()

    def test_healthy(self):
        """Every step is told, in order; all three brokers are tried at the address that they advertise."""
        steps = [line.split()[1] for line in self.doctor("-t", "orders").splitlines()]
        self.assertEqual(steps, ["name", "tcp"] * 3 + ["kafka"] + ["name", "tcp"] * 3 + ["topic", "everything"])

    def test_refused(self):
        """Nobody listens: status 1. One of two bootstrap servers is enough."""
        self.assertRegex(self.doctor(address=REFUSED, status=1), r"FAILED +tcp +127.0.0.1:1 .*refused\n +nothing listens there")
        out = self.doctor(address=REFUSED + "," + self.broker.address)
        self.assertIn("FAILED  tcp", out)
        self.assertTrue(out.endswith("ok      everything that was looked at\n"))

    def test_name_and_address(self):
        """A name that cannot be one, and what is no address."""
        self.assertRegex(self.doctor(address="a..b:9092", status=1), r"FAILED +name +a..b: ")
        self.assertEqual(run("kc", "doctor", "-b", "nonsense", status=1)[0].split()[:2], [b"FAILED", b"address"])

    def test_not_kafka(self):
        """A server that speaks something else: the step before passes, this one says so."""
        http = self.broker.about["control"].split("//")[1]
        wanted = r"^ok +name .*\nok +tcp .*\nFAILED +kafka "
        for limit_ms in ("1000", "30000"):  # of a step: on a loaded machine the short one may be over in an earlier step
            out = self.doctor("-T", limit_ms, address=http, status=1)
            if re.match(wanted, out):
                break
        self.assertRegex(out, wanted)

    def test_advertised(self):
        """The bootstrap server is fine, but what it advertises cannot be reached from here: the commonest mistake of all."""
        with Mockbroker("--advertise", "a..b") as broker:
            out = self.doctor(address=f"127.0.0.1:{broker.about['brokers'][0]['port']}", status=1)
        self.assertRegex(out, r"ok +kafka .*\nFAILED +name +a..b: .*\n +broker 1 advertises a..b:\d+, and this machine cannot use that")

    def test_topic(self):
        """A topic that is not there."""
        self.assertRegex(self.doctor("-t", "nowhere", status=1), r"FAILED +topic +nowhere: ")

    def test_cluster(self):
        """Three brokers, of which one is the controller."""
        out = run("kc", "cluster", "-b", self.broker.address)[0].decode()
        self.assertRegex(out, r"^# cluster \S+\n(\d\t127.0.0.1:\d+\t-(\tcontroller)?\n){3}$")
        self.assertEqual(out.count("controller"), 1)
        self.assertIn("kc: asking for the cluster: ", run("kc", "cluster", "-b", REFUSED, "-T", "200", status=1)[1].decode())

    def test_wrong_usage(self):
        for command in ("doctor", "cluster"):
            run("kc", command, "-T", "x", status=2)
            run("kc", command, "-b", REFUSED, "what", status=2)
            self.assertIn(f"kc {command}", run("kc", command, "--help")[0].decode())
        self.assertIn("-b ADDR is needed", run("kc", "doctor", status=2)[1].decode())


if __name__ == "__main__":
    unittest.main()
