"""Just enough of Kafka's protocol to knock at any broker: Metadata v1, CreatePartitions v0, Produce v3, Fetch v4 over a blocking socket."""
import socket
import struct

PRODUCE, FETCH, METADATA, CREATE_PARTITIONS = 0, 1, 3, 37
LIMIT_S = 60


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def text(s):
    return struct.pack(">h", len(s)) + s.encode()


def request(api, version, body):
    data = struct.pack(">hhi", api, version, 1) + text("bench") + body
    return struct.pack(">i", len(data)) + data


def batch(value):
    """A batch of one record, value below 50 bytes, timestamp 0."""
    fields = bytes([0, 0, 0, 1, 2 * len(value)]) + value + b"\0"
    record = bytes([2 * len(fields)]) + fields
    covered = struct.pack(">hiqqqhii", 0, 0, 0, 0, -1, -1, -1, 1) + record
    rest = struct.pack(">ibI", -1, 2, crc32c(covered)) + covered
    return struct.pack(">qi", 0, len(rest)) + rest


def produce(topic, partition, records):
    return request(PRODUCE, 3, struct.pack(">hhi", -1, -1, 30000) + struct.pack(">i", 1) + text(topic) +
                   struct.pack(">iii", 1, partition, len(records)) + records)


def fetch(topic, partition):
    return request(FETCH, 4, struct.pack(">iiiib", -1, 1000, 1, 1 << 20, 0) + struct.pack(">i", 1) + text(topic) +
                   struct.pack(">iiqi", 1, partition, 0, 1 << 20))


def metadata(topic):
    return request(METADATA, 1, struct.pack(">i", 1) + text(topic))


def grow(topic, partitions, limit_s):
    """The topic is to have so many partitions."""
    return request(CREATE_PARTITIONS, 0, struct.pack(">i", 1) + text(topic) + struct.pack(">iiib", partitions, -1, limit_s * 1000, 0))


def grown(answer):
    """0, or the error in an answer to grow()."""
    return struct.unpack_from(">h", answer, 8 + 2 + struct.unpack_from(">h", answer, 8)[0])[0]


def connect(address):
    host, port = address.rsplit(":", 1)
    return socket.create_connection((host, int(port)), LIMIT_S)


def receive(connection):
    """One answer, without its size and correlation id."""
    def take(n):
        parts = bytearray()
        while len(parts) < n:
            piece = connection.recv(min(1 << 20, n - len(parts)))
            if not piece:
                raise ConnectionError("the broker closed the connection")
            parts += piece
        return bytes(parts)

    return take(struct.unpack(">i", take(4))[0])[4:]


def leaders(answer):
    """partition -> address, of the one topic in an answer to metadata()."""
    at = 0

    def take(form):
        nonlocal at
        values = struct.unpack_from(">" + form, answer, at)
        at += struct.calcsize(">" + form)
        return values[0]

    def string():
        nonlocal at
        size = take("h")
        at += max(0, size)
        return answer[at - size:at].decode() if size > 0 else ""

    brokers = {}
    for _ in range(take("i")):
        node, host, port = take("i"), string(), take("i")
        string()
        brokers[node] = f"{host}:{port}"
    take("i")  # the controller
    result = {}
    if take("i") != 1:
        raise ValueError("not one topic")
    take("h"), string(), take("b")
    for _ in range(take("i")):
        error, partition, leader = take("h"), take("i"), take("i")
        for _ in range(2):
            for _ in range(take("i")):
                take("i")
        if not error:
            result[partition] = brokers[leader]
    return result
