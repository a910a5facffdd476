"""Apache Kafka's tools that ask and change what is about the cluster: ACLs, features, quorum, SCRAM users, client metrics, groups, tokens."""
import json
import os
import subprocess
import tempfile
import time
import unittest
import urllib.request

from common import Mockbroker, Settings, kcat, run
from kafka_cluster import PATIENT, WAIT_S, java, select_pause

ACLS = "org.apache.kafka.tools.AclCommand"
API_VERSIONS = "org.apache.kafka.tools.BrokerApiVersionsCommand"
CLIENT_METRICS = "org.apache.kafka.tools.ClientMetricsCommand"
CLUSTER = "org.apache.kafka.tools.ClusterTool"
CONFIGS = "kafka.admin.ConfigCommand"
CONSOLE_PRODUCER = "org.apache.kafka.tools.ConsoleProducer"
FEATURES = "org.apache.kafka.tools.FeatureCommand"
QUORUM = "org.apache.kafka.tools.MetadataQuorumCommand"
TOKENS = "org.apache.kafka.tools.DelegationTokenCommand"


class ToolsTest(unittest.TestCase):
    options = []

    def setUp(self):
        self.cluster = Mockbroker("--as-version", "4.3", "--topic", "t:3:3", *self.options)
        self.addCleanup(self.cluster.__exit__)
        self.bootstrap = self.cluster.bootstrap

    def tool(self, main, *arguments, check=True):
        where = ["--bootstrap-server", self.bootstrap]
        arguments = [*arguments, *where] if main == CLUSTER else [*where, *arguments]
        done = run(java(os.path.join(Settings.kafka, "libs"), main, *arguments), check=check)
        return done.stdout + ("" if check else done.stderr)


class ClusterToolsTest(ToolsTest):
    def test_kafka_features(self):
        self.assertRegex(self.tool(FEATURES, "describe"), r"Feature: group.version\s+SupportedMinVersion: 0\s+SupportedMaxVersion: 1\s+FinalizedVersionLevel: 1")
        self.assertIn("was downgraded to 0", self.tool(FEATURES, "downgrade", "--feature", "group.version=0"))
        self.assertIn("was upgraded to 1", self.tool(FEATURES, "upgrade", "--feature", "group.version=1"))
        self.assertIn("Could not", self.tool(FEATURES, "upgrade", "--feature", "group.version=7", check=False))

    def test_kafka_metadata_quorum(self):
        text = self.tool(QUORUM, "describe", "--status")
        self.assertRegex(text, r"LeaderId:\s+1")
        self.assertRegex(text, r"CurrentVoters:.*1.*2.*3")
        self.assertEqual(self.tool(QUORUM, "describe", "--replication").count("Follower"), 2)

    def test_kafka_cluster(self):
        self.assertIn("Cluster ID: ", self.tool(CLUSTER, "cluster-id"))
        with urllib.request.urlopen(urllib.request.Request(self.cluster.about["control"] + "/v1/brokers/3/stop", method="POST", data=b"")):
            pass
        self.assertIn("Broker 3 is no longer registered", self.tool(CLUSTER, "unregister", "--id", "3"))

    def test_kafka_broker_api_versions(self):
        text = self.tool(API_VERSIONS)
        self.assertEqual(text.count("Produce(0): 0 to 13"), 3)
        self.assertIn("ListTransactions(66):", text)

    def test_kafka_configs_of_users_groups_and_client_metrics(self):
        user = ["--entity-type", "users", "--entity-name", "anna"]
        self.tool(CONFIGS, *user, "--alter", "--add-config", "SCRAM-SHA-256=[iterations=4096,password=secret]")
        self.assertIn("SCRAM-SHA-256=iterations=4096", self.tool(CONFIGS, *user, "--describe"))
        group = ["--entity-type", "groups", "--entity-name", "g"]
        self.tool(CONFIGS, *group, "--alter", "--add-config", "consumer.session.timeout.ms=50000")
        self.assertIn("consumer.session.timeout.ms=50000", self.tool(CONFIGS, *group, "--describe"))
        metrics = ["--entity-type", "client-metrics", "--entity-name", "m"]
        self.tool(CONFIGS, *metrics, "--alter", "--add-config", "interval.ms=60000")
        self.assertIn("interval.ms=60000", self.tool(CONFIGS, *metrics, "--describe"))

    def test_kafka_delegation_tokens_need_authentication(self):
        with tempfile.NamedTemporaryFile("w", suffix=".properties") as config:
            text = self.tool(TOKENS, "--describe", "--command-config", config.name, check=False)
        self.assertIn("Delegation Token requests are not allowed on PLAINTEXT", text)

    def pushes(self):
        with urllib.request.urlopen(self.cluster.about["control"] + "/v1/telemetry") as answer:
            return json.load(answer)["pushes"]

    def test_java_pushes_the_metrics_that_were_asked_for(self):
        self.tool(CLIENT_METRICS, "--alter", "--name", "m", "--metrics", "org.apache.kafka.producer.connection", "--interval", "100",
                  "--match", "client_id=pusher")
        self.assertIn("m", self.tool(CLIENT_METRICS, "--list").split())
        command = java(os.path.join(Settings.kafka, "libs"), CONSOLE_PRODUCER, "--bootstrap-server", self.bootstrap, "--topic", "t",
                       *PATIENT, "--command-property", "client.id=pusher")
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as producer:
            producer.stdin.write("a\nb\n")
            producer.stdin.flush()
            until = time.monotonic() + WAIT_S  # it pushes from time to time while it lives, and a last time when its input ends
            while not self.pushes() and time.monotonic() < until:
                select_pause(0.05)
        pushes = self.pushes()
        self.assertTrue(pushes)
        self.assertEqual({p["client_id"] for p in pushes}, {"pusher"})
        self.assertTrue(pushes[-1]["terminating"])
        self.assertIn("org.apache.kafka.producer.connection.count", {name for p in pushes for name in p["metrics"]})
        self.assertTrue(all(name.startswith("org.apache.kafka.producer.connection") for p in pushes for name in p["metrics"]))


class AclToolsTest(ToolsTest):
    options = ["--config", "authorizer.class.name=standard", "--config", "allow.everyone.if.no.acl.found=true"]

    def records(self):
        ends = []
        for partition in range(3):
            with urllib.request.urlopen(f"{self.cluster.about['control']}/v1/topics/t/{partition}") as answer:
                ends.append(json.load(answer)["log_end"])
        return sum(ends)

    def test_kafka_acls_rule_what_kcat_may_do(self):
        lines = "one\ntwo\n"
        kcat("-P", "-b", self.bootstrap, "-t", "t", text=lines)
        self.assertEqual(self.records(), 2)
        self.assertIn("User:anna", self.tool(ACLS, "--add", "--allow-principal", "User:anna", "--operation", "Write", "--topic", "t"))
        kcat("-P", "-b", self.bootstrap, "-t", "t", "-X", "message.timeout.ms=3000", text=lines, check=False)
        self.assertEqual(self.records(), 2)
        self.tool(ACLS, "--add", "--allow-principal", "User:ANONYMOUS", "--operation", "Read", "--topic", "t")
        read = kcat("-C", "-b", self.bootstrap, "-t", "t", "-o", "beginning", "-e", "-q").stdout
        self.assertEqual(sorted(read.splitlines()), ["one", "two"])
        self.assertIn("operation=READ", self.tool(ACLS, "--list", "--topic", "t"))
        self.tool(ACLS, "--remove", "--force", "--topic", "t")
        self.assertNotIn("operation=READ", self.tool(ACLS, "--list", "--topic", "t"))
        kcat("-P", "-b", self.bootstrap, "-t", "t", text=lines)
        self.assertEqual(self.records(), 4)
