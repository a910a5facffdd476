"""Apache Kafka's admin tools steer mockbroker: settings, elections, moves between brokers, deleted records, log directories."""
import glob
import json
import os
import tempfile
import time
import urllib.request

from common import Mockbroker, OnMockbroker, Settings, kc_consume, kc_produce, lines_of, run
from kafka_cluster import java

CONFIGS = "kafka.admin.ConfigCommand"
DELETE_RECORDS = "org.apache.kafka.tools.DeleteRecordsCommand"
DUMP_LOG = "org.apache.kafka.tools.DumpLogSegments"
ELECTION = "org.apache.kafka.tools.LeaderElectionCommand"
GET_OFFSETS = "org.apache.kafka.tools.GetOffsetShell"
LOG_DIRS = "org.apache.kafka.tools.LogDirsCommand"
REASSIGN = "org.apache.kafka.tools.reassign.ReassignPartitionsCommand"


class AdminTest(OnMockbroker):
    def tool(self, main, *arguments, check=True):
        return run(java(os.path.join(Settings.kafka, "libs"), main, "--bootstrap-server", self.bootstrap, *arguments), check=check).stdout

    def file(self, content):
        handle, path = tempfile.mkstemp(suffix=".json")
        self.addCleanup(os.unlink, path)
        with os.fdopen(handle, "w") as out:
            json.dump(content, out)
        return path

    def post(self, path):
        with urllib.request.urlopen(urllib.request.Request(self.cluster.about["control"] + path, method="POST", data=b"")):
            pass

    def look(self, topic, partition):
        with urllib.request.urlopen(f"{self.cluster.about['control']}/v1/topics/{topic}/{partition}") as answer:
            return json.load(answer)

    def test_kafka_configs_alters_topics(self):
        self.create("t")
        topic = ["--entity-type", "topics", "--entity-name", "t"]
        self.tool(CONFIGS, *topic, "--alter", "--add-config", "retention.ms=5000,cleanup.policy=[compact,delete]")
        text = self.tool(CONFIGS, *topic, "--describe")
        self.assertIn("retention.ms=5000", text)
        self.assertIn("cleanup.policy=compact,delete", text)
        self.tool(CONFIGS, *topic, "--alter", "--delete-config", "retention.ms")
        self.assertNotIn("retention.ms=5000", self.tool(CONFIGS, *topic, "--describe"))
        refused = run(java(os.path.join(Settings.kafka, "libs"), CONFIGS, "--bootstrap-server", self.bootstrap, *topic, "--alter", "--add-config", "retention.ms=soon"),
                      check=False)
        self.assertIn("InvalidConfigurationException", refused.stdout + refused.stderr)

    def test_kafka_configs_alters_brokers(self):
        every = ["--entity-type", "brokers", "--entity-default"]
        self.tool(CONFIGS, *every, "--alter", "--add-config", "message.max.bytes=777777")
        self.assertIn("message.max.bytes=777777", self.tool(CONFIGS, *every, "--describe"))
        one = ["--entity-type", "brokers", "--entity-name", "2"]
        self.tool(CONFIGS, *one, "--alter", "--add-config", "num.io.threads=5")
        text = self.tool(CONFIGS, *one, "--describe")
        self.assertIn("num.io.threads=5", text)
        self.assertIn("DYNAMIC_BROKER_CONFIG:num.io.threads=5", text)

    def test_kafka_configs_sets_quotas_and_they_hold(self):
        self.create("t", 1)
        of = ["--entity-type", "clients", "--entity-name", "fast"]
        self.tool(CONFIGS, *of, "--alter", "--add-config", "producer_byte_rate=20000,request_percentage=50.5")
        self.tool(CONFIGS, "--entity-type", "clients", "--entity-default", "--alter", "--add-config", "consumer_byte_rate=1000000")
        text = self.tool(CONFIGS, *of, "--describe")
        self.assertIn("producer_byte_rate=20000.0", text)
        self.assertIn("request_percentage=50.5", text)
        self.assertIn("consumer_byte_rate=1000000.0", self.tool(CONFIGS, "--entity-type", "clients", "--describe"))
        self.tool(CONFIGS, "--entity-type", "users", "--entity-name", "ann", "--alter", "--add-config", "controller_mutation_rate=5")
        self.assertIn("controller_mutation_rate=5.0", self.tool(CONFIGS, "--entity-type", "users", "--describe"))
        begun = time.monotonic()
        kc_produce(self.bootstrap, "t", ["x" * 1000] * 300, "-X", "client.id=fast", "-X", "max.request.size=60000")  # the burst is 200 kB
        self.assertGreater(time.monotonic() - begun, 1.0)
        refused = run(java(os.path.join(Settings.kafka, "libs"), CONFIGS, "--bootstrap-server", self.bootstrap, *of, "--alter", "--add-config", "producer_byte_rate=-1"),
                      check=False)
        self.assertIn("must be greater than 0", refused.stdout + refused.stderr)
        self.tool(CONFIGS, *of, "--alter", "--delete-config", "producer_byte_rate,request_percentage")
        self.assertNotIn("producer_byte_rate", self.tool(CONFIGS, *of, "--describe"))

    def test_kafka_leader_election_brings_the_preferred_leader_back(self):
        self.create("t", 1)
        self.post("/v1/brokers/1/stop")
        self.assertEqual(self.look("t", 0)["leader"], 2)
        self.post("/v1/brokers/1/start")
        text = self.tool(ELECTION, "--election-type", "preferred", "--topic", "t", "--partition", "0")
        self.assertIn("Successfully completed leader election", text)
        self.assertEqual(self.look("t", 0)["leader"], 1)
        self.assertIn("Valid replica already elected", self.tool(ELECTION, "--election-type", "preferred", "--topic", "t", "--partition", "0"))
        self.tool(ELECTION, "--election-type", "preferred", "--all-topic-partitions")

    def test_kafka_reassign_partitions_moves_a_topic(self):
        self.create("t", 2, 1)
        lines = lines_of("x", 500)
        kc_produce(self.bootstrap, "t", lines)
        plan = self.file({"version": 1, "partitions": [{"topic": "t", "partition": p, "replicas": [3, 2]} for p in range(2)]})
        self.assertIn("Successfully started partition reassignments", self.tool(REASSIGN, "--reassignment-json-file", plan, "--execute"))
        self.assertIn("is completed", self.tool(REASSIGN, "--reassignment-json-file", plan, "--verify"))
        self.assertEqual([r["broker"] for r in self.look("t", 1)["replicas"]], [3, 2])
        self.assertEqual(sorted(kc_consume(self.bootstrap, "t")), sorted(lines))

    def test_a_move_to_a_dead_broker_is_listed_and_called_off(self):
        self.create("t", 1, 1)
        self.post("/v1/brokers/3/stop")
        with urllib.request.urlopen(urllib.request.Request(self.cluster.about["control"] + "/v1/topics/t/0/reassign", method="POST",
                                                           data=json.dumps({"brokers": [3]}).encode())):
            pass
        self.assertIn("t-0: replicas: 3,1. adding: 3. removing: 1.", self.tool(REASSIGN, "--list"))
        plan = self.file({"version": 1, "partitions": [{"topic": "t", "partition": 0, "replicas": [3]}]})
        self.tool(REASSIGN, "--reassignment-json-file", plan, "--cancel", "--preserve-throttles")
        self.assertIn("No partition reassignments found", self.tool(REASSIGN, "--list"))

    def test_kafka_delete_records_and_get_offsets(self):
        self.create("t", 1)
        kc_produce(self.bootstrap, "t", lines_of("x", 100))
        self.assertIn("t:0:100", self.tool(GET_OFFSETS, "--topic", "t").split())
        self.assertIn("low_watermark: 40", self.tool(DELETE_RECORDS, "--offset-json-file", self.file(
            {"version": 1, "partitions": [{"topic": "t", "partition": 0, "offset": 40}]})))
        self.assertIn("t:0:40", self.tool(GET_OFFSETS, "--topic", "t", "--time", "earliest").split())
        self.assertIn("t:0:100", self.tool(GET_OFFSETS, "--topic", "t", "--time", "latest").split())

    def test_kafka_log_dirs_weighs_the_replicas(self):
        self.create("t", 1, 2)
        kc_produce(self.bootstrap, "t", lines_of("x", 1000))
        text = self.tool(LOG_DIRS, "--describe", "--topic-list", "t")
        brokers = {b["broker"]: b["logDirs"][0]["partitions"] for b in json.loads(text.splitlines()[-1])["brokers"]}
        self.assertEqual([len(brokers[i]) for i in (1, 2, 3)], [1, 1, 0])
        self.assertEqual(brokers[1][0]["size"], brokers[2][0]["size"])
        self.assertGreater(brokers[1][0]["size"], 1000)


class SegmentTest(OnMockbroker):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.cluster = Mockbroker("--data-dir", folder.name, "--topic", "t:1:1:segment.bytes=20000,index.interval.bytes=500")
        self.addCleanup(self.cluster.__exit__)
        self.bootstrap = self.cluster.bootstrap

    def test_kafka_reads_our_segments(self):
        lines = lines_of("x", 1000)
        for start in range(0, len(lines), 50):
            kc_produce(self.bootstrap, "t", lines[start:start + 50])
        files = sorted(glob.glob(os.path.join(self.folder, "broker-1", "t-0", "*.log")))
        self.assertGreater(len(files), 3)
        text = run(java(os.path.join(Settings.kafka, "libs"), DUMP_LOG, "--deep-iteration", "--files", ",".join(files))).stdout
        self.assertEqual(text.count("| offset: "), 1000)
        self.assertNotIn("isvalid: false", text)
        indexes = [f[:-3] + kind for f in files[:-1] for kind in ("index", "timeindex")]
        text = run(java(os.path.join(Settings.kafka, "libs"), DUMP_LOG, "--files", ",".join(indexes))).stdout
        self.assertGreater(text.count("position: "), 10)
        self.assertGreater(text.count("timestamp: "), 10)
        self.assertNotIn("ismatch", text)
        self.assertNotIn("out of order", text)
