"""A real Apache Kafka in KRaft mode, from the jars below build/kafka/VERSION/libs: as many combined nodes as asked for, on free ports."""
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

FORMAT = "kafka.tools.StorageTool"
SERVER = "kafka.Kafka"
CLUSTER_ID = "a2NsaWVudC1pbnRlcm9wMQ"
HEAP = "-Xmx320m"
FAST_JVM = ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"]


def free_ports(count):
    """Ports that were free a moment ago; they are bound all at once, so that they differ."""
    sockets = [socket.socket() for _ in range(count)]
    for s in sockets:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def java(libs, main, *arguments, **options):
    """The command line of a Java tool of this Kafka."""
    quiet = ["-Dorg.slf4j.simpleLogger.defaultLogLevel=error", "-Dlog4j2.level=ERROR", "-Dlog4j.rootLogger=ERROR"]
    return ["java", options.get("heap", "-Xmx128m"), *FAST_JVM, *quiet, "-cp", os.path.join(libs, "*"), main, *arguments]


class Kafka:
    """Nodes 1 .. count, each broker and controller; use as a context manager."""

    def __init__(self, folder, nodes=1, properties=None):
        self.libs = os.path.join(folder, "libs")
        self.nodes = nodes
        self.properties = properties or {}
        self.top = tempfile.mkdtemp(prefix="kafka-")
        ports = free_ports(2 * nodes)
        self.ports = ports[:nodes]
        self.controller_ports = ports[nodes:]
        self.processes = {}
        self.bootstrap = ",".join(f"127.0.0.1:{p}" for p in self.ports)

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
            "broker.session.timeout.ms": 6000,
            "num.network.threads": 2,
            "num.io.threads": 4,
            **self.properties,
        }
        path = os.path.join(self.top, f"node-{node}.properties")
        with open(path, "w", encoding="utf-8") as f:
            f.writelines(f"{k}={v}\n" for k, v in values.items())
        return path

    def start_node(self, node):
        config = os.path.join(self.top, f"node-{node}.properties")
        log = open(os.path.join(self.top, f"node-{node}.log"), "ab")
        self.processes[node] = subprocess.Popen(java(self.libs, SERVER, config, heap=HEAP), stdout=log, stderr=log, start_new_session=True)
        log.close()

    def stop_node(self, node, kill=False):
        process = self.processes.pop(node)
        process.send_signal(signal.SIGKILL if kill else signal.SIGTERM)
        process.wait(60)

    def wait_ready(self, nodes=None, seconds=90):
        """Until each node answers a connection (the listener opens when the broker is registered)."""
        until = time.monotonic() + seconds
        for node in nodes or list(self.processes):
            while True:
                if self.processes[node].poll() is not None:
                    raise RuntimeError(f"Kafka node {node} ended:\n{self.log_tail(node)}")
                try:
                    socket.create_connection(("127.0.0.1", self.ports[node - 1]), 1).close()
                    break
                except OSError:
                    if time.monotonic() > until:
                        raise RuntimeError(f"Kafka node {node} does not listen:\n{self.log_tail(node)}") from None
                    select_pause(0.1)

    def log_tail(self, node):
        with open(os.path.join(self.top, f"node-{node}.log"), encoding="utf-8", errors="replace") as f:
            return f.read()[-3000:]

    def __enter__(self):
        try:
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
            return self
        except BaseException:
            self.__exit__(None, None, None)
            raise

    def __exit__(self, *unused):
        for process in self.processes.values():
            process.kill()
        for process in self.processes.values():
            process.wait()
        self.processes.clear()
        shutil.rmtree(self.top, ignore_errors=True)


def select_pause(seconds):
    """Wait for something outside that cannot be waited for (a JVM that opens its port)."""
    import select
    select.select([], [], [], seconds)
