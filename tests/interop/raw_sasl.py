"""SASL spoken by hand: each step of a login as bytes, so that bad ones can be sent, and what comes back as plain values that two brokers can be compared by."""
import base64
import hashlib
import hmac
import socket
import struct

METADATA, HANDSHAKE, API_VERSIONS, AUTHENTICATE = 3, 17, 18, 36
CREATE_TOKEN, RENEW_TOKEN, EXPIRE_TOKEN, DESCRIBE_TOKEN = 38, 39, 40, 41
WAIT_S = 60  # for an answer or the end of a connection: only what hangs takes that long


def text(value):
    raw = value.encode()
    return struct.pack(">h", len(raw)) + raw


def uvarint(value):
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def compact(value):
    """A compact nullable string or byte array."""
    raw = value.encode() if isinstance(value, str) else value
    return uvarint(0) if raw is None else uvarint(len(raw) + 1) + raw


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, size):
        self.at += size
        return self.data[self.at - size:self.at]

    def number(self, form):
        return struct.unpack(">" + form, self.take(struct.calcsize(">" + form)))[0]

    def uvarint(self):
        value = shift = 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    def text(self):
        size = self.number("h")
        return None if size < 0 else self.take(size).decode()

    def data32(self):
        size = self.number("i")
        return None if size < 0 else self.take(size)

    def compact(self):
        size = self.uvarint()
        return None if size == 0 else self.take(size - 1)

    def compact_text(self):
        raw = self.compact()
        return None if raw is None else raw.decode()


class Wire:
    """A connection; what was closed answers None."""

    def __init__(self, address):
        host, port = address.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), WAIT_S)
        self.correlation = 0

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.socket.close()

    def _take(self, size):
        data = b""
        while len(data) < size:
            try:
                piece = self.socket.recv(size - len(data))
            except ConnectionError:
                return None
            if not piece:
                return None
            data += piece
        return data

    def frame(self, payload):
        """A frame, and the frame that answers it."""
        try:
            self.socket.sendall(struct.pack(">i", len(payload)) + payload)
        except ConnectionError:
            pass
        size = self._take(4)
        return None if size is None else self._take(struct.unpack(">i", size)[0])

    def call(self, key, version, body, flexible=False):
        self.correlation += 1
        header = struct.pack(">hhi", key, version, self.correlation) + text("raw") + (b"\0" if flexible else b"")
        answer = self.frame(header + body)
        if answer is None:
            return None
        assert struct.unpack(">i", answer[:4])[0] == self.correlation, "an answer to something else"
        return Reader(answer[5:] if flexible and key != API_VERSIONS else answer[4:])

    def is_closed(self):
        return self._take(1) is None

    # ---- the requests ----
    def versions(self, version=2):
        """The error code and whether there is a list."""
        r = self.call(API_VERSIONS, version, b"")
        return None if r is None else (r.number("h"), r.number("i") > 0)

    def metadata(self):
        """Metadata v1 of no topic: how many brokers there are, None: closed."""
        r = self.call(METADATA, 1, struct.pack(">i", 0))
        return None if r is None else r.number("i")

    def handshake(self, mechanism, version=1):
        r = self.call(HANDSHAKE, version, text(mechanism))
        return None if r is None else (r.number("h"), sorted(r.text() for _ in range(r.number("i"))))

    def authenticate(self, token, version=2):
        """error, message, bytes, session lifetime (None before v1)"""
        if version < 2:
            r = self.call(AUTHENTICATE, version, struct.pack(">i", len(token)) + token)
            if r is None:
                return None
            return r.number("h"), r.text(), r.data32(), r.number("q") if version else None
        r = self.call(AUTHENTICATE, version, compact(token) + b"\0", flexible=True)
        return None if r is None else (r.number("h"), r.compact_text(), r.compact(), r.number("q"))

    # ---- whole logins ----
    def plain(self, name, password, version=2, authorization=""):
        self.handshake("PLAIN")
        return self.authenticate(f"{authorization}\0{name}\0{password}".encode(), version)

    def scram(self, scram, version=2):
        """Log in; the answers to both messages, without what is random."""
        self.handshake(scram.mechanism)
        first = self.authenticate(scram.first(), version)
        if first is None or first[0]:
            return first, None
        final = self.authenticate(scram.final(first[2]), version)
        return (first[0], first[1], scram.shape(first[2]), first[3]), final and (final[0], final[1], scram.proven(final[2]), final[3])


class Scram:
    """The client's side of RFC 5802, each part of which can be told to be wrong."""

    def __init__(self, mechanism, name, password, nonce="abcdefghijklmnop", extensions=""):
        self.mechanism, self.name, self.password, self.nonce, self.extensions = mechanism, name, password, nonce, extensions
        self.hash = "sha256" if mechanism.endswith("256") else "sha512"
        self.bare = f"n={name},r={nonce}{extensions}"

    def first(self):
        return ("n,," + self.bare).encode()

    def final(self, server_first, nonce=None, channel="biws", proof=None):
        self.server_first = server_first.decode()
        parts = dict(p.split("=", 1) for p in self.server_first.split(","))
        bare = f"c={channel},r={parts['r'] if nonce is None else nonce}"
        self.said = f"{self.bare},{self.server_first},{bare}".encode()
        self.salted = hashlib.pbkdf2_hmac(self.hash, self.password.encode(), base64.b64decode(parts["s"]), int(parts["i"]))
        client_key = self._hmac(self.salted, b"Client Key")
        signature = self._hmac(hashlib.new(self.hash, client_key).digest(), self.said)
        right = base64.b64encode(bytes(a ^ b for a, b in zip(client_key, signature))).decode()
        return f"{bare},p={right if proof is None else proof}".encode()

    def _hmac(self, key, data):
        return hmac.new(key, data, self.hash).digest()

    def shape(self, server_first):
        """What of it is not random."""
        parts = dict(p.split("=", 1) for p in server_first.decode().split(","))
        return parts["r"].startswith(self.nonce) and len(parts["r"]) > len(self.nonce) + 15, len(base64.b64decode(parts["s"])) > 7, parts["i"]

    def proven(self, server_final):
        """Has the server shown that it knows the password?"""
        right = base64.b64encode(self._hmac(self._hmac(self.salted, b"Server Key"), self.said))
        return server_final == b"v=" + right


# ---- delegation tokens (KIP-48), in their last versions: 3, 2, 2, 3 ----

def principals(names):
    """[("User", "anna")] as a compact array; None: null"""
    return uvarint(0) if names is None else uvarint(len(names) + 1) + b"".join(compact(kind) + compact(name) + b"\0" for kind, name in names)


class Token:
    """What CreateDelegationToken answered."""

    def __init__(self, r):
        self.error = r.number("h")
        self.owner = r.compact_text(), r.compact_text()
        self.requester = r.compact_text(), r.compact_text()
        self.issued, self.expires, self.ends = r.number("q"), r.number("q"), r.number("q")
        self.id, self.hmac = r.compact_text(), r.compact()

    def password(self):
        return base64.b64encode(self.hmac).decode()

    def told(self):
        """What is not random, and how long it lives."""
        return self.error, self.owner, self.requester, self.expires - self.issued, self.ends - self.issued, len(self.id), len(self.hmac)


def create_token(wire, renewers=(), lifetime_ms=-1, owner=None):
    body = b"".join(compact(part) for part in owner or (None, None)) + principals(renewers) + struct.pack(">q", lifetime_ms) + b"\0"
    r = wire.call(CREATE_TOKEN, 3, body, flexible=True)
    return None if r is None else Token(r)


def _change(wire, key, secret, period_ms):
    r = wire.call(key, 2, compact(secret) + struct.pack(">q", period_ms) + b"\0", flexible=True)
    return None if r is None else (r.number("h"), r.number("q"))


def renew_token(wire, secret, period_ms=-1):
    """error, expiry"""
    return _change(wire, RENEW_TOKEN, secret, period_ms)


def expire_token(wire, secret, period_ms=-1):
    return _change(wire, EXPIRE_TOKEN, secret, period_ms)


def describe_tokens(wire, owners=None):
    """error, [(owner, requester, renewers, lifetime until it expires, until it ends, id, hmac)]"""
    r = wire.call(DESCRIBE_TOKEN, 3, principals(owners) + b"\0", flexible=True)
    if r is None:
        return None
    error, tokens = r.number("h"), []
    for _ in range(r.uvarint() - 1):
        owner, requester = (r.compact_text(), r.compact_text()), (r.compact_text(), r.compact_text())
        issued, expires, ends = r.number("q"), r.number("q"), r.number("q")
        name, secret = r.compact_text(), r.compact()
        renewers = []
        for _ in range(r.uvarint() - 1):
            renewers.append((r.compact_text(), r.compact_text()))
            r.uvarint()
        r.uvarint()
        tokens.append((owner, requester, renewers, expires - issued, ends - issued, name, secret))
    return error, tokens
