#!/usr/bin/env python3
"""A broker that negotiates as it should and then answers wrongly: kc says what is wrong, and by whose fault."""
import os
import socket
import struct
import sys
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from programs import run  # noqa: E402

API_VERSIONS, METADATA = 18, 3
METADATA_VERSION = 12
NO_BROKERS = b"\1"
NO_TOPICS = b"\1"
ENOUGH = ["-T", "60000"]  # a time limit that no story needs


def exactly(connection, size):
    data = b""
    while len(data) < size:
        part = connection.recv(size - len(data))
        if not part:
            raise EOFError
        data += part
    return data


class Peer:
    """Any number of connections; each request but ApiVersions gets `answer` as its body (Metadata v12), or nothing."""

    def __init__(self, answer):
        self.answer = answer
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.listener.close()

    def accept(self):
        try:
            while True:
                threading.Thread(target=self.serve, args=(self.listener.accept()[0],), daemon=True).start()
        except OSError:
            pass  # the story is over

    def serve(self, connection):
        try:
            while True:
                request = exactly(connection, struct.unpack(">i", exactly(connection, 4))[0])
                api, version, correlation = struct.unpack(">hhi", request[:8])
                if api == API_VERSIONS:
                    ranges = struct.pack(">hhhx", API_VERSIONS, 0, 3) + struct.pack(">hhhx", METADATA, 4, METADATA_VERSION)
                    body = struct.pack(">ih", correlation, 0) + b"\3" + ranges + struct.pack(">ix", 0)
                else:
                    body = struct.pack(">ix", correlation) + self.answer
                connection.sendall(struct.pack(">i", len(body)) + body)
        except (EOFError, OSError):
            connection.close()


def metadata(brokers=NO_BROKERS, more=b""):
    """Metadata v12: throttle time, brokers, no cluster id, controller 1, no topics, authorised operations, no tags."""
    return struct.pack(">i", 0) + brokers + b"\0" + struct.pack(">i", 1) + NO_TOPICS + b"\0" + more


class KcBadPeer(unittest.TestCase):
    def complains(self, answer, words, command=("topic", "list")):
        with Peer(answer) as peer:
            out, errors = run("kc", *command, "-b", peer.address, *ENOUGH, status=1)
            said = (out + errors).decode()
            self.assertIn(words, said)
            self.assertNotIn("-1000", said)  # a number of ours that nobody else knows
            return said

    def test_a_count_beyond_the_answer(self):
        said = self.complains(struct.pack(">i", 0) + b"\xff\xff\xff\xff\x0f" + bytes(8), "sent a malformed response to Metadata v12: bad field brokers")
        self.assertIn("bootstrap server 127.0.0.1:", said)

    def test_bytes_behind_the_answer(self):
        self.complains(metadata(more=b"more"), "sent a malformed response to Metadata v12: 4 bytes too many")

    def test_a_header_that_is_none(self):
        self.complains(b"", "sent a malformed response to Metadata v12: bad field")

    def test_a_cluster_without_brokers(self):
        """A doctor does not call that healthy."""
        self.complains(metadata(), "it names no broker", ("doctor",))


if __name__ == "__main__":
    unittest.main()
