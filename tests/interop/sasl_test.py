"""Logins: the same bytes to Apache Kafka's SASL_PLAINTEXT listener and to mockbroker's, and the clients of others that log in to mockbroker."""
import os
import tempfile
import unittest

import confluent_kafka.admin
import kafka

import sasl_stories
from common import Mockbroker, Settings, run
from kafka_cluster import Kafka, free_ports, java

CONFIGS = "kafka.admin.ConfigCommand"
TOPICS = "org.apache.kafka.tools.TopicCommand"
MECHANISMS = ",".join(sasl_stories.ALL)
SESSIONS = "connections.max.reauth.ms=3600000"
LOGIN_MODULES = "org.apache.kafka.common.security"


def java_login(mechanism, name, password, extra=""):
    """The lines of a Java client's properties."""
    module = f"{LOGIN_MODULES}.plain.PlainLoginModule" if mechanism == "PLAIN" else f"{LOGIN_MODULES}.scram.ScramLoginModule"
    return (f"security.protocol=SASL_PLAINTEXT\nsasl.mechanism={mechanism}\n"
            f'sasl.jaas.config={module} required username="{name}" password="{password}"{extra};\n')


class SaslKafka(Kafka):
    """One node whose clients log in at `sasl`; PLAINTEXT is for itself and for those who make users."""

    def _config(self, node):
        port = free_ports(1)[0]
        self.sasl = f"127.0.0.1:{port}"
        plain = f"PLAINTEXT://127.0.0.1:{self.ports[0]},SASL_PLAINTEXT://{self.sasl}"
        listener = "listener.name.sasl_plaintext"
        self.properties = {
            **self.properties,
            "listeners": f"{plain},CONTROLLER://127.0.0.1:{self.controller_ports[0]}",
            "advertised.listeners": plain,
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT",
            "inter.broker.listener.name": "PLAINTEXT",
            "sasl.enabled.mechanisms": MECHANISMS,
            f"{listener}.plain.sasl.jaas.config": f'{LOGIN_MODULES}.plain.PlainLoginModule required user_anna="secret" user_bert="geheim";',
            f"{listener}.scram-sha-256.sasl.jaas.config": f"{LOGIN_MODULES}.scram.ScramLoginModule required;",
            f"{listener}.scram-sha-512.sasl.jaas.config": f"{LOGIN_MODULES}.scram.ScramLoginModule required;",
        }
        return super()._config(node)


def make_sara(bootstrap, *more):
    for mechanism in sasl_stories.ALL[1:]:
        run(java(os.path.join(Settings.kafka, "libs"), CONFIGS, "--bootstrap-server", bootstrap, *more, "--alter", "--entity-type", "users", "--entity-name", "sara",
                 "--add-config", f"{mechanism}=[password=pw]"))


def login_file(test, *login):
    """--command-config of a Java tool."""
    folder = tempfile.TemporaryDirectory()
    test.addCleanup(folder.cleanup)
    path = os.path.join(folder.name, "login.properties")
    with open(path, "w", encoding="utf-8") as f:
        f.write(java_login(*login))
    return path


def mock(test, *options):
    cluster = Mockbroker("--as-version", "4.3", "--sasl", MECHANISMS, "--sasl-user", "anna=secret", "--sasl-user", "bert=geheim", *options)
    test.addCleanup(cluster.__exit__)
    return cluster


class SameAsKafka(unittest.TestCase):
    def test_same_answers(self):
        cluster = mock(self, "--config", SESSIONS, "--brokers", "1")
        make_sara(cluster.bootstrap, "--command-config", login_file(self, "PLAIN", "anna", "secret"))
        with SaslKafka(Settings.kafka, properties=dict([SESSIONS.split("=")])) as real:
            make_sara(real.bootstrap)
            for chapter in (sasl_stories.handshakes, sasl_stories.plain, sasl_stories.scram, sasl_stories.sessions):
                theirs, ours = sasl_stories.tell(real.sasl, chapter), sasl_stories.tell(cluster.bootstrap, chapter)
                for name, answers in theirs.items():
                    with self.subTest(chapter=chapter.__name__, story=name):
                        self.assertEqual(ours[name], answers)


class ClientsLogIn(unittest.TestCase):
    """By each mechanism, and not with a wrong password."""

    @classmethod
    def setUpClass(cls):
        cls.cluster = Mockbroker("--as-version", "4.3", "--sasl", MECHANISMS, "--sasl-user", "anna=secret", "--topic", "t:1")
        cls.addClassCleanup(cls.cluster.__exit__)

    def test_librdkafka(self):
        for mechanism in sasl_stories.ALL:
            with self.subTest(mechanism):
                login = {"bootstrap.servers": self.cluster.bootstrap, "security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": mechanism, "sasl.username": "anna", "log_level": 0}
                self.assertEqual(len(confluent_kafka.admin.AdminClient({**login, "sasl.password": "secret"}).list_topics(timeout=60).brokers), 3)
                errors = []
                wrong = confluent_kafka.Producer({**login, "sasl.password": "wrong", "error_cb": errors.append})
                while not errors:
                    wrong.poll(1)
                self.assertEqual(errors[0].code(), confluent_kafka.KafkaError._AUTHENTICATION)

    def test_kafka_python(self):
        for mechanism in sasl_stories.ALL:
            with self.subTest(mechanism):
                login = {"bootstrap_servers": self.cluster.bootstrap, "security_protocol": "SASL_PLAINTEXT", "sasl_mechanism": mechanism, "sasl_plain_username": "anna"}
                client = kafka.KafkaConsumer(**login, sasl_plain_password="secret")
                self.addCleanup(client.close)
                self.assertIn("t", client.topics())

    def test_java(self):
        for mechanism in sasl_stories.ALL:
            with self.subTest(mechanism):
                for password, words in (("secret", "t\n"), ("wrong", "SaslAuthenticationException")):
                    done = run(java(os.path.join(Settings.kafka, "libs"), TOPICS, "--bootstrap-server", self.cluster.bootstrap, "--list", "--command-config",
                                    login_file(self, mechanism, "anna", password)), check=password == "secret")
                    self.assertIn(words, done.stdout + done.stderr)
