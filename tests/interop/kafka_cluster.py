"""A real Apache Kafka in KRaft mode, from the jars below build/kafka/VERSION/libs: as many combined nodes as asked for, on free ports."""
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import confluent_kafka.admin

from common import Told, run

FORMAT = "kafka.tools.StorageTool"
SERVER = "kafka.Kafka"
WAIT_S = 240  # for a node: JVMs are slow to start on a loaded machine
CLUSTER_ID = "a2NsaWVudC1pbnRlcm9wMQ"
HEAP = "-Xmx320m"
STARTS = 3  # a port that was free may be taken by the time a node binds it
FAST_JVM = ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"]


PATIENT = ["--request-timeout-ms", "60000", "--message-send-max-retries", "1000"]  # Kafka's console producer gives up after 4 times 1.5 s by itself


def free_ports(count):
    """Free ports below those that the system gives to outgoing connections: none of the nodes' own takes another's port before it listens."""
    try:
        with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as f:
            end = int(f.read().split()[0])
    except OSError:
        end = 32768
    candidates = list(range(10000, end)) if end > 11000 else list(range(61000, 65536))
    random.shuffle(candidates)
    ports = []
    for port in candidates:
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
                ports.append(port)
            except OSError:
                continue
        if len(ports) == count:
            return ports
    raise RuntimeError("no free ports")


def java(libs, main, *arguments, **options):
    """The command line of a Java tool of this Kafka."""
    quiet = ["-Dorg.slf4j.simpleLogger.defaultLogLevel=error", "-Dlog4j2.level=ERROR", "-Dlog4j.rootLogger=ERROR"]
    classes = os.pathsep.join([os.path.join(libs, "*"), *options.get("classes", ())])
    return ["java", options.get("heap", "-Xmx128m"), *FAST_JVM, *quiet, "-cp", classes, main, *arguments]


class Kafka:
    """Nodes 1 .. count, each broker and controller; use as a context manager."""

    def __init__(self, folder, nodes=1, properties=None):
        """A list among the properties has a value for each node."""
        self.libs = os.path.join(folder, "libs")
        self.nodes = nodes
        self.properties = properties or {}
        self.classes = []  # folders with classes of plugins
        self.processes = {}
        self.top = None

    def _config(self, node):
        voters = ",".join(f"{i + 1}@127.0.0.1:{p}" for i, p in enumerate(self.controller_ports))
        replication = min(3, self.nodes)
        values = {
            "process.roles": "broker,controller",
            "node.id": node,
            "controller.quorum.voters": voters,
            "listeners": f"PLAINTEXT://127.0.0.1:{self.ports[node - 1]},CONTROLLER://127.0.0.1:{self.controller_ports[node - 1]}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{self.ports[node - 1]}",
            "controller.listener.names": "CONTROLLER",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "log.dirs": os.path.join(self.top, f"node-{node}"),
            "offsets.topic.replication.factor": replication,
            "transaction.state.log.replication.factor": replication,
            "transaction.state.log.min.isr": 1,
            "offsets.topic.num.partitions": 5,
            "group.initial.rebalance.delay.ms": 0,
            "broker.session.timeout.ms": 18000,  # a node that stalls on a loaded machine is not dead
            "controller.quorum.fetch.timeout.ms": 6000,  # nor is its controller
            "num.network.threads": 2,
            "num.io.threads": 4,
            **self.properties,
        }
        path = os.path.join(self.top, f"node-{node}.properties")
        with open(path, "w", encoding="utf-8") as f:
            f.writelines(f"{k}={v[node - 1] if isinstance(v, list) else v}\n" for k, v in values.items())
        return path

    def compile(self, source, folder):
        """Before the start: a plugin of the nodes, into this folder."""
        run(["javac", "-cp", os.path.join(self.libs, "*"), "-d", folder, source])
        self.classes.append(folder)

    def start_node(self, node):
        config = os.path.join(self.top, f"node-{node}.properties")
        log = open(os.path.join(self.top, f"node-{node}.log"), "ab")
        self.processes[node] = subprocess.Popen(java(self.libs, SERVER, config, heap=HEAP, classes=self.classes), stdout=log, stderr=log, start_new_session=True)
        log.close()

    def stop_node(self, node, kill=False):
        process = self.processes.pop(node)
        process.send_signal(signal.SIGKILL if kill else signal.SIGTERM)
        process.wait(WAIT_S)

    def wait_ready(self):
        """Until each node tells of all: then each is registered, and topics can have replicas on it."""
        until = time.monotonic() + WAIT_S
        for node in list(self.processes):
            while self._nodes_told_by(node) < len(self.processes):
                if self.processes[node].poll() is not None:
                    raise RuntimeError(f"Kafka node {node} ended:\n{self.log_tail(node)}")
                if time.monotonic() > until:
                    raise RuntimeError(f"Kafka node {node} does not see its cluster:\n{self.log_tail(node)}")
                select_pause(0.1)

    def _nodes_told_by(self, node):
        try:
            socket.create_connection(("127.0.0.1", self.ports[node - 1]), 1).close()
            admin = confluent_kafka.admin.AdminClient({"bootstrap.servers": f"127.0.0.1:{self.ports[node - 1]}", "log_level": 0})
            return len(admin.list_topics(timeout=10).brokers)
        except (OSError, confluent_kafka.KafkaException):
            return 0

    def log_tail(self, node):
        with open(os.path.join(self.top, f"node-{node}.log"), encoding="utf-8", errors="replace") as f:
            return f.read()[-3000:]

    def _start(self):
        self.top = tempfile.mkdtemp(prefix="kafka-")
        ports = free_ports(2 * self.nodes)
        self.ports, self.controller_ports = ports[:self.nodes], ports[self.nodes:]
        self.bootstrap = ",".join(f"127.0.0.1:{p}" for p in self.ports)
        configs = [self._config(n) for n in range(1, self.nodes + 1)]
        formats = [subprocess.Popen(java(self.libs, FORMAT, "format", "-t", CLUSTER_ID, "-c", c), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
                   for c in configs]
        for process in formats:
            output = process.communicate()[0]
            if process.returncode:
                raise RuntimeError(f"formatting failed:\n{output.decode(errors='replace')[-2000:]}")
        for node in range(1, self.nodes + 1):
            self.start_node(node)
        self.wait_ready()

    def __enter__(self):
        Told.clusters.append(self.say)
        for attempt in range(1, STARTS + 1):
            try:
                self._start()
                return self
            except BaseException as failure:
                taken = "Address already in use" in self.say()
                self._end()
                if attempt == STARTS or not taken or not isinstance(failure, RuntimeError):
                    Told.clusters.remove(self.say)
                    raise

    def say(self):
        return "\n".join(f"-- the end of the log of Kafka node {n}, which {'runs' if p.poll() is None else f'ended with {p.returncode}'}:\n{self.log_tail(n)}"
                         for n, p in sorted(self.processes.items()))

    def __exit__(self, failure=None, *unused):
        if failure:
            Told.commands.append(self.say())
        Told.clusters.remove(self.say)
        self._end()

    def _end(self):
        for process in self.processes.values():
            process.kill()
        for process in self.processes.values():
            process.wait()
        self.processes.clear()
        if self.top:
            shutil.rmtree(self.top, ignore_errors=True)


def select_pause(seconds):
    """Wait for something outside that cannot be waited for (a JVM that opens its port)."""
    import select
    select.select([], [], [], seconds)
