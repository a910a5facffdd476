#!/usr/bin/env python3
"""Stories of kc config: what is set takes effect and is shown with its source, what is refused says why, and nothing else changes."""
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from programs import Mockbroker, run  # noqa: E402

STORED = "min.insync.replicas=1\tall brokers\n"  # as brokers do since Kafka 4.1


class KcConfig(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.broker = Mockbroker(brokers=2)

    @classmethod
    def tearDownClass(cls):
        cls.broker.stop()

    def kc(self, command, *arguments, **more):
        out, err = run("kc", *command.split(), "-b", self.broker.address, *arguments, **more)
        return out.decode(), err.decode()

    def test_a_topic(self):
        """Set, shown, tried only, set back."""
        self.kc("topic create", "t", "-n", "1", "-c", "segment.bytes=2000000")
        self.kc("config set", "topic:t", "retention.ms=5000", "cleanup.policy=compact,delete")
        self.assertEqual(self.kc("config describe", "topic:t")[0], f"cleanup.policy=compact,delete\ttopic\n{STORED}retention.ms=5000\ttopic\nsegment.bytes=2000000\ttopic\n")
        self.assertEqual(self.kc("config describe", "topic:t", "max.message.bytes")[0], "max.message.bytes=1048588\tdefault\n")
        self.assertGreater(len(self.kc("config describe", "-a", "topic:t")[0].splitlines()), 20)
        self.kc("config unset", "-n", "topic:t", "retention.ms")
        self.assertIn("retention.ms=5000", self.kc("config describe", "topic:t")[0])
        self.kc("config unset", "topic:t", "retention.ms", "cleanup.policy")
        self.assertEqual(self.kc("config describe", "topic:t")[0], f"{STORED}segment.bytes=2000000\ttopic\n")

    def test_brokers_and_groups(self):
        """All brokers, one broker, and a group have settings of their own."""
        self.kc("config set", "broker:", "log.retention.ms=77000")
        self.assertIn("log.retention.ms=77000\tall brokers", self.kc("config describe", "broker:2")[0])
        self.kc("config set", "group:g", "consumer.session.timeout.ms=50000")
        self.assertIn("consumer.session.timeout.ms=50000\tgroup", self.kc("config describe", "group:g")[0])

    def test_refusals(self):
        """The broker's own words, and ours for what never reaches it."""
        for command, arguments, status, words in (
            ("config set", ["topic:none", "retention.ms=1"], 1, "UNKNOWN_TOPIC_OR_PARTITION"),
            ("config describe", ["topic:none"], 1, "UNKNOWN_TOPIC_OR_PARTITION"),
            ("config set", ["broker:", "log.retention.ms=soon"], 1, "Invalid value soon for configuration log.retention.ms"),
            ("config set", ["broker:one", "a=b"], 1, 'a broker is named by its id, not by "one"'),
            ("config set", ["topic:t", "retention.ms"], 2, "set needs key=value"),
            ("config unset", ["topic:t"], 2, "unset needs keys"),
            ("config describe", ["t"], 2, "a resource is needed"),
            ("config alter", ["topic:t"], 2, "describe, set or unset"),
        ):
            _, err = self.kc(command, *arguments, status=status)
            self.assertIn(words, err)


if __name__ == "__main__":
    unittest.main()
