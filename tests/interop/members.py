"""Members of consumer groups, of three makers, that tell what they read: ours (`kc consume`), Java's (Kafka's VerifiableConsumer) and librdkafka's."""
import json
import os
import subprocess
import tempfile
import time

import confluent_kafka

from common import LIMIT_S, Settings, Told, program
from kafka_cluster import java

VERIFIABLE_CONSUMER = "org.apache.kafka.tools.VerifiableConsumer"
JAVA_ASSIGNORS = {"range": "RangeAssignor", "roundrobin": "RoundRobinAssignor", "sticky": "StickyAssignor", "cooperative-sticky": "CooperativeStickyAssignor"}
WAIT_S = 240  # only what hangs takes that long


def poll_until(members, condition):
    until = time.monotonic() + WAIT_S
    while not condition() and time.monotonic() < until:
        for member in members:
            member.poll()
    return condition()


class Process:
    """A member in a process of its own; a line of its output is one thing to tell."""

    def __init__(self, command):
        self.output = tempfile.NamedTemporaryFile(mode="r", encoding="utf-8", suffix=".out")
        self.errors = tempfile.NamedTemporaryFile(mode="r", encoding="utf-8", suffix=".err")
        with open(self.output.name, "wb") as out, open(self.errors.name, "wb") as err:
            self.process = subprocess.Popen(command, stdout=out, stderr=err)
        self.part = ""  # of a line whose end is not there yet
        Told.clusters.append(self.say)

    def say(self):
        with open(self.errors.name, encoding="utf-8", errors="replace") as said:
            return f"-- {self} {'runs' if self.process.poll() is None else f'ended with {self.process.returncode}'}, last said: {said.read()[-1000:]}"

    def take(self):
        *lines, self.part = (self.part + self.output.read()).split("\n")
        for line in lines:
            self.told(line)

    def poll(self):
        try:
            self.process.wait(0.02)
        except subprocess.TimeoutExpired:
            self.take()
            return
        raise AssertionError(f"the member has ended: {self.say()}")

    def close(self):
        """It leaves the group; what it read until then stays known."""
        if self.process is None or self.output.closed:
            return
        self.process.terminate()
        self.process.wait(LIMIT_S)
        self.take()
        Told.clusters.remove(self.say)
        self.output.close()
        self.errors.close()


class Ours(Process):
    """assignor: of the group, or None for the broker's own choice."""

    def __init__(self, bootstrap, topic, group, name, protocol="classic", assignor=None):
        self.name, self.records = name, []
        config = {"client.id": name, "group.protocol": protocol, "auto.commit.interval.ms": "200"}
        if protocol == "classic":
            config.update({"heartbeat.interval.ms": "500", "partition.assignment.strategy": assignor})
        elif assignor:
            config["group.remote.assignor"] = assignor
        flags = [word for key, value in config.items() for word in ("-X", f"{key}={value}")]
        super().__init__([program("kc"), "consume", "-b", bootstrap, "-t", topic, "-g", group, "-o", "beginning", "-f", "%p %o\\n", *flags])

    def __str__(self):
        return self.name

    def told(self, line):
        partition, offset = line.split()
        self.records.append((int(partition), int(offset)))


class Java(Process):
    def __init__(self, bootstrap, topic, group, name, protocol="classic", assignor=None):
        self.name, self.records, self.events = name, [], []
        self.config = tempfile.NamedTemporaryFile(mode="w", suffix=".properties")
        self.config.write(f"client.id={name}\n" + ("heartbeat.interval.ms=500\n" if protocol == "classic" else ""))
        self.config.flush()
        choice = ["--group-protocol", protocol]
        if protocol == "classic":
            choice += ["--assignment-strategy", f"org.apache.kafka.clients.consumer.{JAVA_ASSIGNORS[assignor]}"]
        elif assignor:
            choice += ["--group-remote-assignor", assignor]
        super().__init__(java(os.path.join(Settings.kafka, "libs"), VERIFIABLE_CONSUMER, "--bootstrap-server", bootstrap, "--topic", topic, "--group-id", group,
                              "--reset-policy", "earliest", "--verbose", "--command-config", self.config.name, *choice))

    def __str__(self):
        return self.name

    def told(self, line):
        event = json.loads(line) if line.startswith("{") else {"name": "other"}
        if event["name"] == "record_data":
            self.records.append((event["partition"], event["offset"]))

    def close(self):
        super().close()
        self.config.close()


class Librdkafka:
    def __init__(self, bootstrap, topic, group, name, protocol="classic", assignor=None):
        self.name, self.records, self.closed = name, [], False
        config = {"bootstrap.servers": bootstrap, "group.id": group, "client.id": name, "group.protocol": protocol, "auto.offset.reset": "earliest",
                  "auto.commit.interval.ms": 200, "log_level": 0}
        if protocol == "classic":
            config.update({"heartbeat.interval.ms": 500, "partition.assignment.strategy": assignor})
        elif assignor:
            config["group.remote.assignor"] = assignor
        self.consumer = confluent_kafka.Consumer(config)
        self.consumer.subscribe([topic])

    def __str__(self):
        return self.name

    def poll(self):
        self.records += [(m.partition(), m.offset()) for m in self.consumer.consume(500, 0.02) if not m.error()]

    def close(self):
        if not self.closed:
            self.closed = True
            self.consumer.close()
