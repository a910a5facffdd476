"""Logins: the same bytes to Apache Kafka's SASL_PLAINTEXT listener and to mockbroker's, and the clients of others that log in to mockbroker."""
import os
import re
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
SECRET = "delegation.token.secret.key=of-the-cluster"
TOKENS = "org.apache.kafka.tools.DelegationTokenCommand"
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
    def same(self, theirs, ours, *chapters):
        for chapter in chapters:
            right, told = sasl_stories.tell(theirs, chapter), sasl_stories.tell(ours, chapter)
            for name, answers in right.items():
                with self.subTest(chapter=chapter.__name__, story=name):
                    self.assertEqual(told[name], answers)

    def test_logins_and_tokens(self):
        cluster = mock(self, "--config", SESSIONS, "--config", SECRET, "--brokers", "1")
        make_sara(cluster.bootstrap, "--command-config", login_file(self, "PLAIN", "anna", "secret"))
        with SaslKafka(Settings.kafka, properties=dict(p.split("=") for p in (SESSIONS, SECRET))) as real:
            make_sara(real.bootstrap)
            self.same(real.sasl, cluster.bootstrap, sasl_stories.handshakes, sasl_stories.plain, sasl_stories.scram, sasl_stories.sessions,
                      sasl_stories.making, sasl_stories.living, sasl_stories.bearing)

    def test_no_tokens(self):
        cluster = mock(self, "--brokers", "1")
        with SaslKafka(Settings.kafka) as real, Mockbroker("--as-version", "4.3", "--brokers", "1") as unasked:
            self.same(real.sasl, cluster.bootstrap, sasl_stories.not_enabled)
            self.same(real.bootstrap, unasked.bootstrap, sasl_stories.not_authenticated)


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


class TokenTool(unittest.TestCase):
    """kafka-delegation-tokens makes a token, renews it, and ends it; between, a Java client logs in with it."""

    def setUp(self):
        self.cluster = mock(self, "--config", SECRET, "--topic", "t:1")
        self.login = login_file(self, "SCRAM-SHA-256", "anna", "secret")

    def tool(self, main, *arguments, login=None, check=True):
        done = run(java(os.path.join(Settings.kafka, "libs"), main, "--bootstrap-server", self.cluster.bootstrap, "--command-config", login or self.login, *arguments), check=check)
        return done.stdout + done.stderr

    def test_a_life(self):
        made = self.tool(TOKENS, "--create", "--max-life-time-period", "-1", "--renewer-principal", "User:bert")
        name, secret = re.search(r"^(\S{22})\s+(\S{88})\s+User:anna\s+User:anna\s+\[User:bert\]", made, re.MULTILINE).groups()
        self.assertIn(name, self.tool(TOKENS, "--describe", "--owner-principal", "User:anna"))
        bearer = login_file(self, "SCRAM-SHA-512", name, secret, " tokenauth=true")
        self.assertIn("t\n", self.tool(TOPICS, "--list", login=bearer))
        self.assertIn("not allowed", self.tool(TOKENS, "--describe", login=bearer, check=False))
        self.assertIn("Completed renew operation", self.tool(TOKENS, "--renew", "--renew-time-period", "-1", "--hmac", secret, login=login_file(self, "PLAIN", "bert", "geheim")))
        self.assertIn("Completed expire operation", self.tool(TOKENS, "--expire", "--expiry-time-period", "-1", "--hmac", secret))
        self.assertNotIn(name, self.tool(TOKENS, "--describe"))
        self.assertIn("SaslAuthenticationException", self.tool(TOPICS, "--list", login=bearer, check=False))
