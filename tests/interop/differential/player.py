"""Plays a story's requests to one broker and writes down every answer, with what differs between any two runs replaced by names."""
import base64
import re
import socket
import struct
import time
import uuid

from kafka_cluster import select_pause
from raw_produce import crc32c

WAIT_S = 90   # for a condition, or for an answer that must come
CLIENT_ID = "differential"
PROBE = 0x7E57ED      # correlation id of the request that follows what may be none
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|(?<![\w-])(?:[\w-]{22}|[0-9a-f]{32})(?![\w-])")
LONG_AGO_MS = 10 ** 12  # what is larger is a time of this run
COUNTED = {"ProducerId", "SessionId"}                      # a number that a broker makes up, told by when it came first; -1 and 0 are none
GIVEN_BY_STORY = 1 << 40                                    # and above: not made up
MEASURED = {"TotalBytes", "UsableBytes", "FinalizedFeaturesEpoch", "BrokerEpoch", "LogEndOffset"}
ANY_NUMBER = {"SubscriptionId"}                              # a checksum


class Player:
    def __init__(self, messages, address, now_ms, stop=None):
        self.messages, self.addresses, self.now_ms = messages, address.split(","), now_ms
        self.stop = stop        # stops the node of this id
        self.played = []        # (name, api, version, answer as written down)
        self.symbols = {}       # what the broker made up -> its name here
        self.numbers = {}       # field -> number that the broker made up -> its name here
        self.connections = {}
        self.correlation = 0

    # -- connections

    def connection(self, name="main"):
        """"node 2" is one to that node; others are to the first."""
        if name not in self.connections:
            node = int(name.removeprefix("node ")) if name.startswith("node ") else 1
            host, port = self.addresses[node - 1].rsplit(":", 1)
            self.connections[name] = socket.create_connection((host, int(port)), WAIT_S)
        return self.connections[name]

    def disconnect(self, name="main"):
        if name in self.connections:
            self.connections.pop(name).close()

    def close(self):
        for name in list(self.connections):
            self.disconnect(name)

    def exactly(self, connection, size):
        data = b""
        while len(data) < size:
            piece = connection.recv(size - len(data))
            if not piece:
                raise ConnectionError("closed")
            data += piece
        return data

    def exchange(self, frame, connection="main"):
        """The answer's frame; None when the broker closed."""
        try:
            self.send(frame, connection)
            return self.receive(connection)
        except ConnectionError:
            self.disconnect(connection)
            return None

    def send(self, frame, connection="main"):
        self.connection(connection).sendall(struct.pack(">i", len(frame)) + frame)

    def receive(self, connection="main"):
        opened = self.connection(connection)
        opened.settimeout(WAIT_S)
        return self.exactly(opened, struct.unpack(">i", self.exactly(opened, 4))[0])

    # -- requests

    def ask(self, api, version, values=None, cut=0, extra=b"", connection="main", client_id=CLIENT_ID):
        """The answer as it came, not written down; None: the broker closed."""
        self.correlation += 1
        head, body = self.messages.request(api, version, values or {}, self.correlation, client_id)
        frame = self.exchange(head + (body[:-cut] if cut else body) + extra, connection)
        return None if frame is None else self.read(api, version, frame)

    def read(self, api, version, frame):
        correlation, answer = self.messages.answer(api, version, frame)
        assert correlation == self.correlation, (api, version, correlation)
        return answer

    def call(self, name, api, version, values=None, **options):
        """Ask and write down."""
        try:
            answer = self.ask(api, version, values, **options)
        except TimeoutError as late:
            raise AssertionError(f"{api} v{version}, {name}: no answer") from late
        self.write_down(name, api, version, answer)
        return answer

    def calls(self, name, api, versions, values):
        """The same in several versions; fields that a version has not are left out of it by the definitions."""
        for version in versions:
            answer = self.call(name, api, version, values)
        return answer

    def write_down(self, name, api, version, answer):
        self.played.append((name, api, version, "closed" if answer is None else self.general(answer)))

    def until(self, condition, api, version, values, **options):
        """Ask until the answer is so; not written down."""
        end = time.monotonic() + WAIT_S
        while True:
            answer = self.ask(api, version, values, **options)
            if answer is not None and condition(answer):
                return answer
            assert time.monotonic() < end, (api, version, values, answer)
            select_pause(0.02)

    def lowest(self, api):
        return self.messages.requests[api].low

    def highest(self, api):
        return self.messages.requests[api].high

    def some(self, api):
        """The versions that are worth a test of their own: lowest, the last that is not flexible, the first that is, highest."""
        message = self.messages.requests[api]
        versions = range(message.low, message.high + 1)
        edge = next((v for v in versions if message.flexible(v)), None)
        return sorted({message.low, message.high} | ({edge, max(edge - 1, message.low)} if edge is not None else set()))

    # -- bytes

    def frame(self, name, data, api="ApiVersions", version=0, whole=False):
        """Bytes that may be no request, on a connection of their own, and a good request behind them: what is answered before that one is, and whether the connection stays open.
        `whole`: with whatever length they begin with."""
        head, body = self.messages.request("ApiVersions", 0, {}, PROBE, CLIENT_ID)
        opened = self.connection(name)
        answers, then = [], "open"
        try:
            opened.sendall((data if whole else struct.pack(">i", len(data)) + data) + struct.pack(">i", len(head + body)) + head + body)
            while struct.unpack_from(">i", answer := self.receive(name))[0] != PROBE:
                answers.append(self.any_answer(api, version, answer))
        except ConnectionError:
            then = "closed"
        self.disconnect(name)
        self.played.append((name, api, version, {"Answers": answers, "Then": then}))

    def any_answer(self, api, version, frame):
        for version in (version, 0):
            try:
                correlation, values = self.messages.answer(api, version, frame)
                return {"CorrelationId": correlation, **self.general(values)}
            except ValueError:
                pass
        return frame.hex()

    # -- what is written down

    def symbol(self, value, name):
        if value not in self.symbols:
            self.symbols[value] = f"<{name}>"
            if isinstance(value, uuid.UUID):
                self.symbols[base64.urlsafe_b64encode(value.bytes).decode()[:22]] = f"<{name}>"
        return self.symbols[value]

    def general(self, value, field="", siblings=None):
        if isinstance(value, dict):
            return {k: self.general(v, k, value) for k, v in value.items()}
        if isinstance(value, list):
            return [self.general(v, field, siblings) for v in value]
        if isinstance(value, uuid.UUID):
            return str(value) if value.int < 100 else self.symbol(value, f"id of {siblings.get('Name') or siblings.get('Topic') or field}")
        if isinstance(value, bool) or value is None:
            return value
        if isinstance(value, int):
            return self.general_number(value, field)
        if isinstance(value, str):
            return self.general_text(value, field)
        if field == "Records" and value is not None:
            return [self.general_batch(batch) for batch in whole_batches(value)]
        return value.hex() if isinstance(value, bytes) else value

    def general_number(self, value, field):
        if field in ("Port", "ControllerId") and value > 0:  # any node passes for the controller: they forward
            return f"<{field.lower()}>"
        if field in COUNTED and 0 < value < GIVEN_BY_STORY:
            seen = self.numbers.setdefault(field, {})
            return seen.setdefault(value, f"<{field} {len(seen) + 1}>")
        if field in MEASURED and value >= 0 or field in ANY_NUMBER:
            return "<measured>"
        return "<time>" if value > LONG_AGO_MS and abs(value - self.now_ms) < 864e5 and value != self.now_ms else value

    def general_batch(self, batch):
        """Its header's fields, and its records as they are.  A made up producer id changes the checksum, which is counted as well then."""
        names = ("BaseOffset", "BatchLength", "PartitionLeaderEpoch", "Magic", "Crc", "Attributes", "LastOffsetDelta", "BaseTimestamp", "MaxTimestamp", "ProducerId", "ProducerEpoch",
                 "BaseSequence", "Count")
        fields = dict(zip(names, struct.unpack_from(">qiibIhiqqqhii", batch)))
        if 0 <= fields["ProducerId"] < GIVEN_BY_STORY:
            fields["Crc"] = "right" if fields["Crc"] == crc32c(batch[21:]) else "wrong"
        return {**self.general(fields), "Records": batch[61:].hex()}

    def general_text(self, value, field):
        if field in ("Host", "ClusterId", "LogDir") and value:
            return f"<{field}>"
        if field == "MemberId" and UUID.fullmatch(value):
            return "<uuid>"
        return UUID.sub(lambda found: self.symbols.get(found[0], "<uuid>" if len(found[0]) == 36 else found[0]), value)


def whole_batches(data):
    """Kafka may end with a piece of a batch, which clients ignore."""
    at = 0
    while at + 12 <= len(data) and at + 12 + struct.unpack_from(">i", data, at + 8)[0] <= len(data):
        size = 12 + struct.unpack_from(">i", data, at + 8)[0]
        yield data[at:at + size]
        at += size


def ordered(value):
    """Without the order of arrays: many of Kafka's are that of a hash table.  Rows with a name or a key are told by it."""
    if isinstance(value, dict):
        return {k: ordered(v) for k, v in value.items()}
    if not isinstance(value, list):
        return value
    rows = [ordered(v) for v in value]
    for key in ("ApiKey", "Name", "TopicName", "ResourceName", "GroupId", "TransactionalId", "Topic"):
        names = [str(row[key]) for row in rows if isinstance(row, dict) and row.get(key) is not None]
        if rows and len(names) == len(rows) and len(set(names)) == len(rows):
            return dict(zip(names, rows))
    return sorted(rows, key=repr)


def differences(theirs, ours, path=""):
    """Field by field: path, what Kafka says, what mockbroker says."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        for key in sorted(set(theirs) | set(ours)):
            if key == "ErrorMessage" and is_other_wording(theirs, ours):
                continue
            yield from differences(theirs.get(key, "<none>"), ours.get(key, "<none>"), f"{path}.{key}")
    elif isinstance(theirs, list) and isinstance(ours, list) and len(theirs) == len(ours):
        for i, (a, b) in enumerate(zip(theirs, ours)):
            yield from differences(a, b, f"{path}[{i}]")
    elif theirs != ours:
        yield path, theirs, ours


def is_other_wording(theirs, ours):
    """The same error in other words, or with words where Kafka has none."""
    return theirs.get("ErrorCode", 0) != 0 and theirs.get("ErrorCode") == ours.get("ErrorCode") and bool(ours.get("ErrorMessage"))
