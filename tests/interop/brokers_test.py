"""Brokers that come and go under clients that go on: a producer and a group of librdkafka live through all of it, and Java's tools see what there is."""
import json
import os
import re
import tempfile
import time
import unittest
import urllib.error
import urllib.request

import confluent_kafka

from common import Mockbroker, Settings, run
from kafka_cluster import WAIT_S, java

API_VERSIONS = "org.apache.kafka.tools.BrokerApiVersionsCommand"
CLUSTER = "org.apache.kafka.tools.ClusterTool"
QUORUM = "org.apache.kafka.tools.MetadataQuorumCommand"
REASSIGN = "org.apache.kafka.tools.reassign.ReassignPartitionsCommand"
BURST = 200


class BrokersTest(unittest.TestCase):
    def setUp(self):
        self.cluster = Mockbroker("--topic", "t:3:2:min.insync.replicas=1")
        self.addCleanup(self.cluster.__exit__)
        self.bootstrap = self.cluster.bootstrap
        patient = {"bootstrap.servers": self.bootstrap, "topic.metadata.refresh.interval.ms": 1000}
        self.producer = confluent_kafka.Producer({**patient, "enable.idempotence": True})
        self.consumer = confluent_kafka.Consumer({**patient, "group.id": "g", "auto.offset.reset": "earliest"})
        self.addCleanup(self.consumer.close)
        self.consumer.subscribe(["t"])
        self.written, self.read = 0, set()

    def control(self, method, path, body=None):
        request = urllib.request.Request(self.cluster.about["control"] + path, method=method, data=None if body is None else json.dumps(body).encode())
        try:
            with urllib.request.urlopen(request, timeout=WAIT_S) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def tool(self, main, *arguments):
        where = ["--bootstrap-server", self.bootstrap]
        return run(java(os.path.join(Settings.kafka, "libs"), main, *([*arguments, *where] if main == CLUSTER else [*where, *arguments]))).stdout

    def clients_go_on(self):
        failed = []
        for _ in range(BURST):
            self.producer.produce("t", str(self.written).encode(), key=str(self.written).encode(),
                                  on_delivery=lambda error, message: failed.append(str(error)) if error else None)
            self.written += 1
        self.assertEqual(self.producer.flush(WAIT_S), 0)
        self.assertEqual(failed, [])
        until = time.monotonic() + WAIT_S
        while len(self.read) < self.written and time.monotonic() < until:
            for message in self.consumer.consume(BURST, 0.2):
                if not message.error():
                    self.read.add(int(message.value()))
        self.assertEqual(self.read, set(range(self.written)))

    def quorum(self):
        status = self.tool(QUORUM, "describe", "--status")
        return [int(re.search(name + r":\s+(\d+)", status).group(1)) for name in ("LeaderId", "LeaderEpoch")]

    def wait_gone(self, broker):
        until = time.monotonic() + WAIT_S
        while broker in {b["id"] for b in self.control("GET", "/v1/cluster")[1]["brokers"]}:
            self.assertLess(time.monotonic(), until, f"broker {broker} does not go")
            self.clients_go_on()

    def test_a_broker_is_added_takes_over_and_another_goes(self):
        self.clients_go_on()
        self.assertEqual(self.quorum()[0], 1)
        status, told = self.control("POST", "/v1/brokers")
        self.assertEqual((status, told["id"], told["state"]), (201, 4, "running"))
        self.assertEqual(self.tool(API_VERSIONS).count("Produce(0): 0 to 13"), 4)
        with tempfile.NamedTemporaryFile("w", suffix=".json") as plan:
            json.dump({"version": 1, "partitions": [{"topic": "t", "partition": p, "replicas": [4, 2]} for p in range(3)]}, plan)
            plan.flush()
            self.tool(REASSIGN, "--reassignment-json-file", plan.name, "--execute")
            self.clients_go_on()
            self.assertIn("is completed", self.tool(REASSIGN, "--reassignment-json-file", plan.name, "--verify"))
        self.clients_go_on()
        before = self.quorum()
        status, told = self.control("POST", "/v1/brokers/1/decommission")  # its part of __consumer_offsets is there still
        self.assertEqual(status, 409)
        self.assertRegex(told["error"], r"broker 1 holds \d+ replicas")
        self.assertEqual(self.control("POST", "/v1/brokers/1/decommission", {"move": True})[0], 200)
        self.clients_go_on()
        self.wait_gone(1)
        rows = self.tool(CLUSTER, "list-endpoints", "--include-fenced-brokers").splitlines()[1:]
        self.assertEqual([row.split()[0] for row in rows if row.strip()], ["2", "3", "4"])
        after = self.quorum()
        self.assertEqual(after[0], 2)
        self.assertGreater(after[1], before[1])
        self.assertEqual(self.control("POST", "/v1/brokers/1/start")[0], 404)
        self.clients_go_on()

    def test_the_controller_is_killed(self):
        leader, epoch = self.quorum()
        self.control("POST", f"/v1/brokers/{leader}/kill")
        self.clients_go_on()
        self.assertEqual(self.quorum(), [leader + 1, epoch + 1])
        self.assertEqual(self.control("GET", "/v1/cluster")[1]["controller_epoch"], epoch + 1)
        self.control("POST", f"/v1/brokers/{leader}/start")
        self.clients_go_on()
        self.assertEqual(self.quorum(), [leader + 1, epoch + 1])
