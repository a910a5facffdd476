"""Produce requests made by hand, so that they can be wrong: batches with any header, records with any lengths, one connection to one broker."""
import gzip
import socket
import struct
import time

PRODUCE, CREATE_TOPICS, INIT_PRODUCER_ID, VERSION = 0, 19, 22, 8
LOADING = 14  # the broker has no block of producer ids yet


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def varint(number):
    number = number << 1 ^ number >> 63
    out = bytearray()
    while number > 0x7F or number < 0:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def record(offset, key=b"k", value=b"v", timestamp_delta=0, attributes=0, extra=b"", length=None):
    def sized(data):
        return varint(-1) if data is None else varint(len(data)) + data
    body = struct.pack(">b", attributes) + varint(timestamp_delta) + varint(offset) + sized(key) + sized(value) + varint(0) + extra
    return varint(len(body) if length is None else length) + body


def batch(records=None, codec=0, attributes=0, count=None, last=None, base_offset=0, magic=2, pid=-1, epoch=-1, sequence=-1, crc_off=0, now=None, max_timestamp=None, length_off=0,
          leader_epoch=-1):
    records = [record(0)] if records is None else records
    count = len(records) if count is None else count
    last = count - 1 if last is None else last
    now = int(time.time() * 1000) if now is None else now
    body = b"".join(records)
    if codec == 1:
        body = gzip.compress(body)
    after = struct.pack(">hiqqqhii", attributes | codec, last, now, now if max_timestamp is None else max_timestamp, pid, epoch, sequence, count) + body
    head = struct.pack(">ibI", leader_epoch, magic, crc32c(after) + crc_off & 0xFFFFFFFF)
    return struct.pack(">qi", base_offset, len(head) + len(after) + length_off) + head + after


class Raw:
    def __init__(self, address):
        host, port = address.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), 30)
        self.socket.settimeout(8)
        self.correlation = 0

    def close(self):
        self.socket.close()

    def exactly(self, size):
        data = b""
        while len(data) < size:
            piece = self.socket.recv(size - len(data))
            if not piece:
                raise ConnectionError("closed")
            data += piece
        return data

    def call(self, key, version, body):
        self.correlation += 1
        frame = struct.pack(">hhih", key, version, self.correlation, 3) + b"raw" + body
        self.socket.sendall(struct.pack(">i", len(frame)) + frame)
        return self.exactly(struct.unpack(">i", self.exactly(4))[0])[4:]

    def producer_id(self):
        """A new id; the epoch is 0."""
        error, until = LOADING, time.monotonic() + 60
        while error == LOADING and time.monotonic() < until:
            answer = self.call(INIT_PRODUCER_ID, 1, struct.pack(">hi", -1, 60000))
            error, pid, epoch = struct.unpack(">hqh", answer[4:16])
        assert error == 0 and epoch == 0, (error, epoch)
        return pid

    def create_topic(self, name, configs):
        def text(s):
            return struct.pack(">h", len(s)) + s.encode()
        rows = b"".join(text(k) + text(v) for k, v in configs.items())
        answer = self.call(CREATE_TOPICS, 2, struct.pack(">i", 1) + text(name) + struct.pack(">ihii", 1, 1, 0, len(configs)) + rows + struct.pack(">ib", 10000, 0))
        error = struct.unpack_from(">h", answer, 4 + 4 + 2 + len(name))[0]
        assert error == 0, (name, error)

    def produce(self, topic, records, version=VERSION, acks=-1, partition=0, transactional_id=None, timeout_ms=2000):
        """What the broker says of the one partition: error, base offset, append time, record errors, text. "closed": it hung up; "silent": it did not answer."""
        def text(s):
            return struct.pack(">h", -1) if s is None else struct.pack(">h", len(s)) + s.encode()
        body = text(transactional_id) + struct.pack(">hii", acks, timeout_ms, 1) + text(topic) + struct.pack(">ii", 1, partition)
        body += struct.pack(">i", -1) if records is None else struct.pack(">i", len(records)) + records
        try:
            answer = self.call(PRODUCE, version, body)
        except ConnectionError:
            return "closed"
        except TimeoutError:
            return "silent"
        return parse(answer, version)


def parse(answer, version):
    at = 4
    size = struct.unpack_from(">h", answer, at)[0]
    at += 2 + size + 4
    _, error, base, append_time = struct.unpack_from(">ihqq", answer, at)
    at += 22 + (8 if version >= 5 else 0)
    errors, message = [], None

    def nullable(at):
        size = struct.unpack_from(">h", answer, at)[0]
        return (None, at + 2) if size < 0 else (answer[at + 2:at + 2 + size].decode(), at + 2 + size)
    if version >= 8:
        count = struct.unpack_from(">i", answer, at)[0]
        at += 4
        for _ in range(count):
            index = struct.unpack_from(">i", answer, at)[0]
            text, at = nullable(at + 4)
            errors.append((index, text))
        message, at = nullable(at)
    return {"error": error, "base_offset": base, "append_time": append_time >= 0, "record_errors": errors, "message": message}
