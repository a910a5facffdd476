#!/usr/bin/env python3
"""The control plane, endpoint by endpoint: what is asked for happens and can be seen, and what is wrong is said, and changes nothing."""
import base64
import json
import os
import subprocess
import sys
import time
import unittest
import urllib.error

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from programs import LIMIT_S, Mockbroker, program, run  # noqa: E402


class Control(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.broker = Mockbroker("--topic", "orders:2:3", "--topic", "log:1:1", "--topic", "read:2:1", brokers=3)

    @classmethod
    def tearDownClass(cls):
        cls.broker.stop()

    def ask(self, line, body=None, status=200):
        """The answer as JSON; the status is the one that is expected."""
        method, path = line.split()
        try:
            return self.broker.control(method, path, body)
        except urllib.error.HTTPError as error:
            text = error.read()
            self.assertEqual(error.code, status, f"{line} {body}: {text!r}")
            return json.loads(text)

    def refused(self, line, body, status, part):
        answer = self.ask(line, body, status)
        self.assertIn(part, answer.get("error", "nothing was refused"), f"{line} {body}")

    def until(self, question, wanted):
        """What is asked again until it is as wanted, or time is up."""
        end = time.monotonic() + LIMIT_S
        while True:
            answer = question()
            if wanted(answer):
                return answer
            self.assertLess(time.monotonic(), end, answer)

    def test_leaders(self):
        """A leader is moved, elected, taken back; the epoch rises each time."""
        first = self.ask("GET /v1/topics/orders/0")
        other = 1 + first["leader"] % 3
        self.ask("POST /v1/topics/orders/0/leader", {"broker": other})
        moved = self.ask("GET /v1/topics/orders/0")
        self.assertEqual(moved["leader"], other)
        self.assertGreater(moved["leader_epoch"], first["leader_epoch"])
        self.ask("POST /v1/topics/orders/0/elect", {})
        self.assertEqual(self.ask("GET /v1/topics/orders/0")["leader"], first["leader"])
        for body in ({}, {"broker": "2"}, {"broker": -1}, {"broker": 4294967297}, {"broker": 1, "epoch": 3}):
            self.refused("POST /v1/topics/orders/0/leader", body, 400, "leader is named")
        for body in ({"unclean": 1}, {"uncleen": True}):
            self.refused("POST /v1/topics/orders/0/elect", body, 400, "unclean is true or false")
        self.refused("POST /v1/topics/orders/9/leader", {"broker": 1}, 404, "UNKNOWN_TOPIC_OR_PARTITION")
        self.refused("POST /v1/topics/nothing/0/elect", {}, 404, "UNKNOWN_TOPIC_OR_PARTITION")
        self.refused("POST /v1/topics/orders/x/elect", {}, 400, "not a number")

    def test_replicas(self):
        """Who is in sync and where replicas are is said; a replica that loses its end takes nobody's records along."""
        run("kc", "produce", "-b", self.broker.address, "-t", "orders", data=b"a\nb\nc\n")
        at = next(f"/v1/topics/orders/{p}" for p in range(2) if self.ask(f"GET /v1/topics/orders/{p}")["log_end"])
        seen = self.ask(f"GET {at}")
        follower = 1 + seen["leader"] % 3
        self.ask(f"POST {at}/truncate", {"broker": follower, "offset": 0})
        self.assertEqual(self.ask(f"GET {at}")["log_end"], seen["log_end"])
        for body in ({}, {"broker": follower}, {"broker": follower + (1 << 32), "offset": 0}, {"broker": 1, "offset": "0"},
                     {"broker": 1, "offset": 0, "of": 1}):
            self.refused(f"POST {at}/truncate", body, 400, "broker and offset")
        for path in ("isr", "reassign"):
            for body in ({}, {"brokers": []}, {"brokers": 1}, {"brokers": ["1"]}, {"brokers": [1 << 32]}, {"brokers": [1], "force": True}):
                self.refused(f"POST {at}/{path}", body, 400, "the brokers are named")
        self.ask("POST /v1/topics/log/0/reassign", {"brokers": [2]})
        self.until(lambda: self.ask("GET /v1/topics/log/0"), lambda found: found["leader"] == 2)
        for path, body in (("isr", {"brokers": [9]}), ("reassign", {"brokers": [1, 9]})):
            self.assertIn("error", self.ask(f"POST {at}/{path}", body, 400))

    def test_records(self):
        """Records are shown as text, or as base64 where they are none; in pieces, from an offset on."""
        run("kc", "produce", "-b", self.broker.address, "-t", "read", "-K", ":", "-H", "h=1", "-X", "partitioner=murmur2",
            data=b"k:one\nk:two\nk:\xff\xfe\n")
        at = next(f"/v1/topics/read/{p}" for p in range(2) if self.ask(f"GET /v1/topics/read/{p}")["log_end"])
        answer = self.ask(f"GET {at}/records")
        self.assertEqual([r["value"] for r in answer["records"]], ["one", "two", {"base64": base64.b64encode(b"\xff\xfe").decode()}])
        self.assertEqual([(r["key"], r["headers"]) for r in answer["records"]], [("k", [{"name": "h", "value": "1"}])] * 3)
        self.assertEqual((answer["next"], answer["log_end"]), (3, 3))
        some = self.ask(f"GET {at}/records?from=1&max=1")
        self.assertEqual(([r["offset"] for r in some["records"]], some["next"]), ([1], 2))
        self.assertEqual(self.ask(f"GET {at}/records?from=3")["records"], [])
        for query in ("from=x", "from=-1", "max=10001", "max=x"):
            self.refused(f"GET {at}/records?{query}", None, 400, "number")
        self.refused("GET /v1/topics/read/2/records", None, 404, "UNKNOWN_TOPIC_OR_PARTITION")

    def test_groups(self):
        """A member is shown with what it has committed; it is made to join again, and thrown out, and comes back."""
        with subprocess.Popen([program("kc"), "consume", "-b", self.broker.address, "-t", "read", "-g", "watched", "-o", "beginning",
                               "-X", "heartbeat.interval.ms=100"],
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as member:
            def group():
                return self.ask("GET /v1/groups/watched", status=404)
            stable = self.until(group, lambda g: g.get("state") == "Stable" and len(g["members"]) == 1)
            self.assertIn("watched", [g["group"] for g in self.ask("GET /v1/groups")["groups"]])
            self.ask("POST /v1/groups/watched/rebalance", {})
            again = self.until(group, lambda g: g.get("state") == "Stable" and g["generation"] > stable["generation"])
            self.ask("POST /v1/groups/watched/kick", {"member": again["members"][0]["id"]})
            self.until(group, lambda g: g.get("state") == "Stable" and len(g["members"]) == 1 and g["members"][0]["id"] != again["members"][0]["id"])
            self.refused("POST /v1/groups/watched/kick", {"member": "nobody"}, 404, "UNKNOWN_MEMBER_ID")
            for body in ({}, {"member": 7}, {"member": "x", "why": "so"}):
                self.refused("POST /v1/groups/watched/kick", body, 400, "member")
            self.refused("POST /v1/groups/none/rebalance", {}, 404, "GROUP_ID_NOT_FOUND")
            self.refused("GET /v1/groups/none", None, 404, "no group none")
            member.terminate()
            member.communicate(timeout=LIMIT_S)

    def test_what_clients_push(self):
        """Nothing was pushed, nothing is in a transaction, and both say so."""
        self.assertEqual(self.ask("GET /v1/transactions"), {"transactions": []})
        self.assertFalse(any(self.ask("GET /v1/telemetry").values()))

    def test_time_and_journal(self):
        """Unknown members and numbers out of range are refused here as well."""
        for path, bodies in (("clock/advance", ({}, {"ms": -1}, {"ms": "5"}, {"ms": 1, "s": 1})), ("clock/rate", ({}, {"rate": -1}, {"rate": 1, "x": 0})),
                             ("journal", ({}, {"bytes": -1}, {"bytes": 0, "x": 1}))):
            for body in bodies:
                self.assertIn("error", self.ask(f"POST /v1/{path}", body, 400), f"{path} {body}")


if __name__ == "__main__":
    unittest.main()
