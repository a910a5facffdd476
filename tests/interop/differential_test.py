"""The same requests, good and bad, to Apache Kafka and to mockbroker: every answer is the same, field by field.

The stories are in differential/; both sides are read with Kafka's own message definitions.  What may differ is in differential/exceptions.py, with why.
"""
import collections
import importlib
import os
import re
import time
import unittest

from common import Mockbroker, Settings
from differential import exceptions
from differential.player import Player, differences, ordered
from differential.wire import Messages
from kafka_cluster import Kafka

PROPERTIES = {"offsets.topic.num.partitions": 5, "transaction.state.log.num.partitions": 5, "transaction.abort.timed.out.transaction.cleanup.interval.ms": 500}
OPTIONS = ["--as-version", "4.3", "--brokers", "1", *(word for key, value in PROPERTIES.items() for word in ("--config", f"{key}={value}"))]
SHOWN = 40  # differences in a failure
STORIES = ["topics", "logs", "groups", "transactions"]


class Both:
    """One Apache Kafka and one mockbroker for all tests here."""
    compared = collections.Counter()
    used = set()    # rows of the exceptions that met a difference
    parts = played = 0


def setUpModule():
    Both.messages = Messages(os.path.join(Settings.kafka, "libs"))
    Both.kafka = Kafka(Settings.kafka, 1, PROPERTIES)
    Both.kafka.__enter__()
    unittest.addModuleCleanup(Both.kafka.__exit__, None, None, None)
    Both.mockbroker = Mockbroker(*OPTIONS)
    unittest.addModuleCleanup(Both.mockbroker.__exit__)


def play(part, address, now_ms):
    player = Player(Both.messages, address, now_ms)
    try:
        part(player)
    finally:
        player.close()
    return player.played


def is_excepted(api, name, path):
    for i, (_, apis, names, paths) in enumerate(exceptions.ROWS):
        if re.fullmatch(apis, api) and re.fullmatch(names, name, re.S) and re.fullmatch(paths, path):
            Both.used.add(i)
            return True
    return False


class DifferentialTest(unittest.TestCase):
    maxDiff = None

    def compare(self, part):
        now_ms = int(time.time() * 1000)
        theirs, ours = (play(part, address, now_ms) for address in (Both.kafka.bootstrap, Both.mockbroker.bootstrap))
        Both.played += 1
        self.assertEqual([row[:3] for row in theirs], [row[:3] for row in ours])
        found = []
        for (name, api, version, expected), (*_, got) in zip(theirs, ours):
            Both.compared[api] += 1
            for path, a, b in differences(ordered(expected), ordered(got)):
                if not is_excepted(api, name, path):
                    found.append(f"{api} v{version}, {name}: {path or 'answer'}: Kafka {a!r:.200}, mockbroker {b!r:.200}")
        self.assertFalse(found, f"{len(found)} differences:\n" + "\n".join(found[:SHOWN]))


def add_tests():
    for story in STORIES:
        for i, part in enumerate(importlib.import_module(f"differential.{story}").STORY):
            Both.parts += 1
            setattr(DifferentialTest, f"test_{story}_{i}_{part.__name__}", lambda self, part=part: self.compare(part))


def tearDownModule():
    print()
    print("compared:", ", ".join(f"{api} {count}" for api, count in sorted(Both.compared.items())), f"- {sum(Both.compared.values())} requests")
    unused = [row for i, row in enumerate(exceptions.ROWS) if i not in Both.used]
    if Both.played == Both.parts and unused:
        raise AssertionError(f"these exceptions met no difference: {unused}")


add_tests()
