"""Every kind of fault as another client (librdkafka) meets it, and as the control plane counts it.

A test says with @shows which kinds it is about; it fails if it did not look at the hits of each, and the last test fails
if the broker has a kind that no test shows, or that the manual does not name."""
import functools
import json
import os
import re
import tempfile
import time
import unittest
import urllib.error
import urllib.request

import confluent_kafka

from common import Mockbroker, run

WAIT_S = 30
MANUAL = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs", "mockbroker.md")
SHOWN = set()
LARGE_RECORDS = 12  # together more than a replica keeps in memory: the first ones are read from its files
LARGE_BYTES = 900000


def shows(*kinds):
    """The test shows what these kinds of fault do to a client, and that they are counted."""
    SHOWN.update(kinds)

    def decorate(test):
        @functools.wraps(test)
        def wrapper(self):
            test(self)
            self.assertEqual(set(kinds) - self.counted, set(), "hits that nobody looked at")
        return wrapper
    return decorate


class Control:
    """The control plane of a cluster."""

    def __init__(self, url):
        self.url = url

    def __call__(self, method, path, body=None):
        request = urllib.request.Request(self.url + path, method=method, data=None if body is None else json.dumps(body).encode())
        try:
            with urllib.request.urlopen(request, timeout=WAIT_S) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            return {"status": error.code, **json.load(error)}

    def arm(self, action, count=None, **match):
        fault = {"match": match, "action": action, **({"count": count} if count else {})}
        answer = self("POST", "/v1/faults", fault)
        if "id" not in answer:
            raise AssertionError(f"{fault}: {answer}")
        return answer["id"]

    def fault(self, number):
        return self("GET", f"/v1/faults/{number}")


class FaultsTest(unittest.TestCase):
    options = ()

    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.TemporaryDirectory()
        cls.cluster = Mockbroker("--journal", "16777216", "--data-dir", cls.directory.name)
        cls.control = Control(cls.cluster.about["control"])
        cls.bootstrap = cls.cluster.bootstrap

    @classmethod
    def tearDownClass(cls):
        cls.cluster.__exit__()
        cls.directory.cleanup()

    def setUp(self):
        self.counted = set()
        self.reset()

    def reset(self):
        self.control("POST", "/v1/reset")
        self.control("POST", "/v1/topics", {"name": "t", "partitions": 1, "replication_factor": 3, "configs": {"flush.messages": "1"}})

    def produce(self, **config):
        """Send one record: (error or None, seconds)."""
        reports = []
        producer = confluent_kafka.Producer({"bootstrap.servers": self.bootstrap, "linger.ms": 0, "topic.metadata.refresh.interval.ms": -1, **config})
        begun = time.monotonic()
        producer.produce("t", b"value", on_delivery=lambda error, message: reports.append(error))
        self.assertEqual(producer.flush(WAIT_S), 0)
        return reports[0], time.monotonic() - begun

    def end(self):
        return self.control("GET", "/v1/topics/t/0")["log_end"]

    def kcat_list(self, *options, bootstrap=None):
        return run(["kcat", "-L", "-m", "2", "-b", bootstrap or self.bootstrap, *options], check=False)

    def assert_hits(self, fault, at_least=1):
        told = self.control.fault(fault)
        action = told["fault"]["action"]
        self.assertGreaterEqual(told["hits"], at_least)
        self.counted.add(action if isinstance(action, str) else action["type"])
        self.assertNotIn(fault, self.control("GET", "/v1/faults")["never_fired"])

    # ---- requests ----
    @shows("error")
    def test_an_error_before_applying_reaches_the_client_and_not_the_log(self):
        fault = self.control.arm({"type": "error", "error": "TOPIC_AUTHORIZATION_FAILED"}, api="Produce", topic="t")
        error, _ = self.produce()
        self.assertEqual(error.code(), confluent_kafka.KafkaError.TOPIC_AUTHORIZATION_FAILED)
        self.assertEqual(self.end(), 0)
        self.assert_hits(fault)

    @shows("error")
    def test_an_error_after_applying_is_retried_and_idempotence_writes_once(self):
        fault = self.control.arm({"type": "error", "error": "NOT_ENOUGH_REPLICAS_AFTER_APPEND", "when": "after"}, 1, api="Produce")
        error, _ = self.produce(**{"enable.idempotence": True})
        self.assertIsNone(error)
        self.assertEqual(self.end(), 1)
        self.assert_hits(fault)
        self.assertTrue(self.control("POST", "/v1/verify", {"match": {"api": "Produce", "topic": "t"}, "count": 2})["ok"])
        self.assertTrue(self.control("POST", "/v1/verify", {"match": {"api": "Produce"}, "in_order": [{"fault": fault}, {"outcome": "answered"}]})["ok"])
        answer = self.control("POST", "/v1/verify", {"match": {"api": "Produce", "topic": "t"}, "count": 5})
        self.assertEqual((answer["ok"], answer["count"], len(answer["matching"])), (False, 2, 2))

    @shows("delay")
    def test_a_delay_is_felt(self):
        for action in ({"type": "delay", "ms": 400}, {"type": "delay", "ms": 400, "jitter_ms": 100}, {"type": "delay", "ms": 400, "when": "after"}):
            with self.subTest(action=action):
                fault = self.control.arm(action, 1, api="Produce")
                error, seconds = self.produce()
                self.assertIsNone(error)
                self.assertGreater(seconds, 0.4)
                self.assert_hits(fault)

    @shows("barrier")
    def test_a_barrier_holds_and_is_released(self):
        fault = self.control.arm("barrier", api="Produce")
        reports = []
        producer = confluent_kafka.Producer({"bootstrap.servers": self.bootstrap, "linger.ms": 0})
        producer.produce("t", b"value", on_delivery=lambda error, message: reports.append(error))
        until = time.monotonic() + WAIT_S
        while self.control.fault(fault)["held"] == 0 and time.monotonic() < until:
            producer.poll(0.01)
        self.assertEqual((reports, self.end()), ([], 0))
        self.assertEqual(self.control("POST", f"/v1/faults/{fault}/release")["released"], 1)
        self.assertEqual(producer.flush(WAIT_S), 0)
        self.assertEqual((reports, self.end()), ([None], 1))
        self.assert_hits(fault)

    @shows("disconnect")
    def test_disconnects_lose_and_double_nothing(self):
        for action in ("disconnect", {"type": "disconnect", "when": "after"}, {"type": "disconnect", "bytes": 9}):
            with self.subTest(action=action):
                before = self.end()
                fault = self.control.arm(action, 1, api="Produce")
                error, _ = self.produce(**{"enable.idempotence": True})
                self.assertIsNone(error)
                self.assertEqual(self.end(), before + 1)
                self.assert_hits(fault)

    @shows("silence")
    def test_silence_ends_in_a_timeout(self):
        fault = self.control.arm("silence", api="Produce")
        error, _ = self.produce(**{"message.timeout.ms": 5000})
        self.assertEqual(error.code(), confluent_kafka.KafkaError._MSG_TIMED_OUT)
        self.assertEqual(self.end(), 0)
        self.assert_hits(fault)

    @shows("throttle")
    def test_throttling_is_told(self):
        told = []
        fault = self.control.arm({"type": "throttle", "ms": 77}, api="Produce")
        error, _ = self.produce(throttle_cb=lambda event: told.append(event.throttle_time))
        self.assertIsNone(error)
        self.assertIn(0.077, [round(seconds, 3) for seconds in told])
        self.assert_hits(fault)

    @shows("slow_write")
    def test_slow_answers_arrive(self):
        fault = self.control.arm({"type": "slow_write", "bytes": 20, "ms": 5}, api="Metadata")
        begun = time.monotonic()
        self.assertIn("3 brokers:", self.kcat_list().stdout)
        self.assertGreater(time.monotonic() - begun, 0.03)
        self.assert_hits(fault)

    @shows("truncate", "wrong_correlation", "corrupt")
    def test_damaged_answers_are_no_answers(self):
        for action in ({"type": "truncate", "bytes": 3}, {"type": "wrong_correlation", "by": 100000}, {"type": "corrupt", "offset": 4, "bytes": 4}):
            with self.subTest(action=action):
                fault = self.control.arm(action, api="Metadata")
                self.assertNotEqual(self.kcat_list().returncode, 0)
                self.assert_hits(fault)
                self.control("DELETE", f"/v1/faults/{fault}")
                self.assertEqual(self.kcat_list().returncode, 0)

    @shows("raw")
    def test_bytes_that_are_no_answer(self):
        for action in ({"type": "raw", "text": "HTTP/1.1 400 Bad Request\r\n\r\n"}, {"type": "raw", "hex": "ffffffff"}, {"type": "raw", "hex": "7fffffff00000001"}):
            with self.subTest(action=action):
                fault = self.control.arm(action, api="Metadata")
                self.assertNotEqual(self.kcat_list().returncode, 0)
                self.assert_hits(fault)
                self.control("DELETE", f"/v1/faults/{fault}")
                self.assertEqual(self.kcat_list().returncode, 0)

    @shows("versions")
    def test_a_broker_tells_older_versions(self):
        fault = self.control.arm({"type": "versions", "api": "Produce", "max": 5})
        self.assertIsNone(self.produce()[0])
        self.assertTrue(self.control("POST", "/v1/verify", {"match": {"api": "Produce", "version": 5}, "count": 1})["ok"])
        self.assert_hits(fault)

    # ---- metadata and coordinators ----
    @shows("stale_metadata")
    def test_metadata_is_stale(self):
        fault = self.control.arm("stale_metadata")
        self.control("POST", "/v1/topics", {"name": "later", "partitions": 1, "replication_factor": 1})
        self.assertNotIn('topic "later"', self.kcat_list().stdout)
        self.assert_hits(fault)
        self.control("DELETE", f"/v1/faults/{fault}")
        self.assertIn('topic "later"', self.kcat_list().stdout)

    @shows("no_leader", "missing_topic", "hidden_broker")
    def test_metadata_without_leader_topic_or_broker(self):
        for action, match, text in (("no_leader", {"topic": "t"}, "leader -1"), ("missing_topic", {"topic": "t"}, "Unknown topic"),
                                    ({"type": "hidden_broker", "broker": 2}, {}, "2 brokers:")):
            with self.subTest(action=action):
                fault = self.control.arm(action, **match)
                self.assertIn(text, self.kcat_list("-t", "t").stdout)
                self.assert_hits(fault)
                self.control("DELETE", f"/v1/faults/{fault}")

    @shows("coordinator_loading", "coordinator_moved")
    def test_a_group_forms_when_its_coordinator_has_loaded(self):
        self.assertIsNone(self.produce()[0])
        faults = [self.control.arm("coordinator_loading", 2, group="g"), self.control.arm("coordinator_moved", 1, group="g")]
        read = run(["kcat", "-b", self.bootstrap, "-G", "g", "-X", "auto.offset.reset=earliest", "-q", "-c", "1", "t"]).stdout
        self.assertEqual(read, "value\n")
        for fault in faults:
            self.assert_hits(fault)

    # ---- connections ----
    @shows("refuse", "black_hole")
    def test_connections_are_refused_or_lead_nowhere(self):
        first = self.bootstrap.split(",", maxsplit=1)[0]
        for action in ("refuse", "black_hole"):
            with self.subTest(action=action):
                fault = self.control.arm(action, broker=1)
                self.assertNotEqual(self.kcat_list(bootstrap=first).returncode, 0)
                self.assert_hits(fault)
                self.control("DELETE", f"/v1/faults/{fault}")
                self.assertEqual(self.kcat_list(bootstrap=first).returncode, 0)

    @shows("slow_read")
    def test_a_broker_reads_slowly(self):
        fault = self.control.arm({"type": "slow_read", "bytes": 20, "ms": 10})
        error, seconds = self.produce()
        self.assertIsNone(error)
        self.assertGreater(seconds, 0.05)  # ApiVersions, Metadata, InitProducerId and Produce are 100 bytes and more
        self.assert_hits(fault)

    @shows("cut_read")
    def test_a_request_is_cut_and_sent_again(self):
        fault = self.control.arm({"type": "cut_read", "bytes": 30}, 2)
        error, _ = self.produce(**{"enable.idempotence": True})
        self.assertIsNone(error)
        self.assertEqual(self.end(), 1)
        self.assert_hits(fault, 2)

    @shows("duplicate")
    def test_answers_that_nobody_asked_for_do_no_harm(self):
        for action in ("duplicate", {"type": "duplicate", "by": 100000}):
            with self.subTest(action=action):
                self.reset()
                fault = self.control.arm(action, 1, api="Produce")
                error, _ = self.produce(**{"enable.idempotence": True})
                self.assertIsNone(error)
                self.assertEqual(self.end(), 1)
                self.assert_hits(fault)

    @shows("empty_metadata", "contradictory_metadata")
    def test_metadata_is_empty_or_contradictory(self):
        fault = self.control.arm("empty_metadata", api="Metadata")
        self.assertNotIn("3 brokers:", self.kcat_list().stdout)  # librdkafka takes it for no answer, and asks again
        self.assert_hits(fault)
        self.reset()
        fault = self.control.arm("contradictory_metadata", topic="t")
        for number, broker in enumerate(self.bootstrap.split(","), 1):
            self.assertIn(f"partition 0, leader {number},", self.kcat_list("-t", "t", bootstrap=broker).stdout)
        self.assert_hits(fault, 3)

    # ---- storage ----
    @shows("storage_full", "write_error", "torn_write", "sync_error")
    def test_what_cannot_be_stored_is_not_acknowledged(self):
        for action in ("storage_full", "write_error", "torn_write", "sync_error"):
            with self.subTest(action=action):
                self.reset()
                fault = self.control.arm(action, topic="t")
                error, _ = self.produce(**{"message.timeout.ms": 3000})
                self.assertIsNotNone(error)
                self.assert_hits(fault)

    @shows("slow_sync")
    def test_a_slow_disk_is_waited_for(self):
        fault = self.control.arm({"type": "slow_sync", "ms": 300}, topic="t")
        error, seconds = self.produce()
        self.assertIsNone(error)
        self.assertGreater(seconds, 0.3)
        self.assert_hits(fault)

    @shows("read_error")
    def test_what_cannot_be_read_is_asked_for_again(self):
        self.control("POST", "/v1/topics", {"name": "large", "partitions": 1, "replication_factor": 1})
        producer = confluent_kafka.Producer({"bootstrap.servers": self.bootstrap})
        for _ in range(LARGE_RECORDS):
            producer.produce("large", b"x" * LARGE_BYTES)
        self.assertEqual(producer.flush(WAIT_S), 0)
        fault = self.control.arm("read_error", 2, topic="large")
        read = run(["kcat", "-b", self.bootstrap, "-C", "-t", "large", "-o", "beginning", "-e", "-q", "-f", "%S\\n"]).stdout
        self.assertEqual(read.split(), [str(LARGE_BYTES)] * LARGE_RECORDS)
        self.assert_hits(fault, 2)

    @shows("lost_tail")
    def test_a_killed_broker_loses_what_it_has_not_flushed(self):
        for replicas, kept in ((1, ""), (3, "value\n")):  # the others have it
            with self.subTest(replicas=replicas):
                self.reset()
                self.control("DELETE", "/v1/topics/t")
                self.control("POST", "/v1/topics", {"name": "t", "partitions": 1, "replication_factor": replicas})
                fault = self.control.arm("lost_tail", topic="t")
                self.assertIsNone(self.produce()[0])
                leader = self.control("GET", "/v1/topics/t/0")["leader"]
                self.control("POST", f"/v1/brokers/{leader}/kill")
                self.control("POST", f"/v1/brokers/{leader}/start")
                self.assertEqual(run(["kcat", "-b", self.bootstrap, "-C", "-t", "t", "-o", "beginning", "-e", "-q"]).stdout, kept)
                self.assert_hits(fault)

    def test_every_kind_is_shown_here_and_told_in_the_manual(self):
        kinds = self.control("POST", "/v1/faults", {"action": "?"})["error"].rpartition("one of ")[2].split()
        self.assertEqual(set(kinds), SHOWN)
        with open(MANUAL, encoding="utf-8") as manual:
            table = manual.read().partition("| `action` | with |")[2].partition("\n\n")[0]
        named = set(re.findall(r"`(\w+)`", " ".join(line.split("|")[1] for line in table.splitlines()[2:])))
        self.assertEqual(set(kinds) - named, set())

    # ---- time ----
    def test_a_session_ends_when_the_clock_says_so(self):
        consumer = confluent_kafka.Consumer({"bootstrap.servers": self.bootstrap, "group.id": "timed", "session.timeout.ms": 45000,
                                             "heartbeat.interval.ms": 15000})
        consumer.subscribe(["t"])
        until = time.monotonic() + WAIT_S
        while not consumer.assignment() and time.monotonic() < until:
            consumer.poll(0.05)
        self.assertTrue(consumer.assignment())
        members = lambda: [g["members"] for g in self.control("GET", "/v1/groups")["groups"] if g["group"] == "timed"]  # noqa: E731
        self.assertEqual(members(), [1])
        self.control("POST", "/v1/clock/freeze")
        self.control("POST", "/v1/clock/advance", {"ms": 46000})
        self.assertEqual(members(), [0])
        self.control("POST", "/v1/clock/resume")
        consumer.close()
