"""Plays stories to both brokers and compares: what the modules of the differential test are made of."""
import collections
import importlib
import itertools
import os
import re
import tempfile
import time
import unittest

from common import Mockbroker, Settings
from differential.exceptions import ROWS
from differential.player import Player, differences, ordered
from differential.wire import Messages
from kafka_cluster import Kafka

FEWEST = 100
SHOWN = 40  # differences in a failure
INTERNAL = {"offsets.topic.num.partitions": 5, "transaction.state.log.num.partitions": 5, "transaction.abort.timed.out.transaction.cleanup.interval.ms": 500}


class Comparison(unittest.TestCase):
    """One Apache Kafka and one mockbroker for all stories of a subclass."""
    maxDiff = None
    nodes = 1
    every = ()       # APIs of which there are to be FEWEST requests at least
    properties = {}  # of both, besides INTERNAL
    racks = ()       # of the nodes
    plugin = None    # the class of a metrics reporter of Kafka's nodes, in java/

    @classmethod
    def setUpClass(cls):
        cls.compared, cls.used, cls.played = collections.Counter(), set(), 0
        properties = {**INTERNAL, **cls.properties}
        cls.messages = Messages(os.path.join(Settings.kafka, "libs"))
        theirs = {"metric.reporters": cls.plugin} if cls.plugin else {}
        ours = {"mock.racks": ",".join(cls.racks)} if cls.racks else {}
        if cls.racks:
            theirs["broker.rack"] = list(cls.racks)
        cls.kafka = Kafka(Settings.kafka, cls.nodes, {**properties, **theirs})
        if cls.plugin:
            classes = tempfile.TemporaryDirectory()
            cls.addClassCleanup(classes.cleanup)
            cls.kafka.compile(os.path.join(os.path.dirname(__file__), "..", "java", f"{cls.plugin}.java"), classes.name)
        cls.kafka.__enter__()
        cls.addClassCleanup(cls.kafka.__exit__, None, None, None)
        options = [word for key, value in {**properties, **ours}.items() for word in ("--config", f"{key}={value}")]
        cls.mockbroker = Mockbroker("--as-version", "4.3", "--brokers", str(cls.nodes), *options)
        cls.addClassCleanup(cls.mockbroker.__exit__)

    @classmethod
    def tearDownClass(cls):
        print("\ncompared:", ", ".join(f"{api} {count}" for api, count in sorted(cls.compared.items())), f"- {sum(cls.compared.values())} requests")
        thin = {api: cls.compared[api] for api in cls.every if cls.compared[api] < FEWEST}
        if cls.played == cls.parts and thin:
            raise AssertionError(f"fewer than {FEWEST} requests: {thin}")
        unused = [row for row in ROWS[cls.__name__] if row not in cls.used]
        if cls.played == cls.parts and unused:
            raise AssertionError(f"these exceptions met no difference: {unused}")

    def play(self, part, broker, now_ms):
        player = Player(self.messages, broker.bootstrap, now_ms, broker.stop_node)
        try:
            part(player)
        finally:
            player.close()
        return player.played

    def is_excepted(self, api, name, path):
        for row in ROWS[type(self).__name__]:
            _, _, apis, names, paths = row
            if re.fullmatch(apis, api) and re.fullmatch(names, name, re.S) and re.fullmatch(paths, path):
                self.used.add(row)
                return True
        return False

    def compare(self, part):
        now_ms = int(time.time() * 1000)
        theirs, ours = (self.play(part, broker, now_ms) for broker in (self.kafka, self.mockbroker))
        type(self).played += 1
        apart = [(a[:3], b[:3]) for a, b in itertools.zip_longest(theirs, ours, fillvalue=()) if a[:3] != b[:3]]
        self.assertFalse(apart[:1], "from here on the story went another way with mockbroker")
        found = []
        for (name, api, version, expected), (*_, got) in zip(theirs, ours):
            self.compared[api] += 1
            for path, a, b in differences(ordered(expected), ordered(got)):
                if not self.is_excepted(api, name, path):
                    found.append(f"{api} v{version}, {name}: {path or 'answer'}: Kafka {a!r:.200}, mockbroker {b!r:.200}")
        self.assertFalse(found, f"{len(found)} differences:\n" + "\n".join(found[:SHOWN]))


def told_by(*stories):
    """A class decorator: a test for every part of these stories."""
    def decorate(cls):
        cls.parts = 0
        for story in stories:
            for i, part in enumerate(importlib.import_module(f"differential.{story}").STORY):
                cls.parts += 1
                setattr(cls, f"test_{story}_{i}_{part.__name__}", lambda self, part=part: self.compare(part))
        return cls
    return decorate
