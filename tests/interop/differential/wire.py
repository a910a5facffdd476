"""Requests and answers as dicts, by Kafka's own message definitions (the JSON files inside its client library), for every version that these name.

Nothing here comes from kclient's schema, so that an error there cannot hide on both sides.  Names are those of the definitions; what a request does
not name has the definition's default; an answer's fields are all there, with `_left` (bytes) when some remained and `_tags` when some were unknown.
"""
import json
import os
import re
import struct
import uuid
import zipfile

NUMBERS = {"bool": "?", "int8": "b", "int16": "h", "uint16": "H", "int32": "i", "uint32": "I", "int64": "q", "float64": "d"}
API_VERSIONS = 18  # its answer has the oldest header in every version, so that any client can read it (KIP-511)


def within(versions, version):
    if not versions or versions == "none":
        return False
    low, _, high = versions.partition("-")
    return int(low) == version if not high and "+" not in low else int(low.rstrip("+")) <= version <= (int(high) if high else 1 << 15)


class Writer:
    def __init__(self, flexible):
        self.out, self.flexible = bytearray(), flexible

    def varint(self, number):
        while number > 0x7F:
            self.out.append(number & 0x7F | 0x80)
            number >>= 7
        self.out.append(number)

    def length(self, size, short, flexible=None):
        """The size of a text, of bytes or of an array; -1: null."""
        if self.flexible if flexible is None else flexible:
            self.varint(size + 1)
        else:
            self.out += struct.pack(">h" if short else ">i", size)


class Reader:
    def __init__(self, data, flexible):
        self.data, self.at, self.flexible = data, 0, flexible

    def take(self, size):
        if size < 0 or self.at + size > len(self.data):
            raise ValueError(f"{size} bytes wanted at {self.at} of {len(self.data)}")
        self.at += size
        return self.data[self.at - size:self.at]

    def number(self, code):
        return struct.unpack(">" + code, self.take(struct.calcsize(">" + code)))[0]

    def varint(self):
        number = shift = 0
        while True:
            byte = self.take(1)[0]
            number |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return number

    def length(self, short, flexible=None):
        return self.varint() - 1 if (self.flexible if flexible is None else flexible) else self.number("h" if short else "i")


class Message:
    """One definition: a request or an answer in all its versions."""

    def __init__(self, text):
        definition = json.loads(re.sub(r"^\s*//.*$", "", text, flags=re.M))
        self.name, self.key, self.type = definition["name"], definition.get("apiKey"), definition["type"]
        self.fields, self.flexible_versions = definition.get("fields", []), definition.get("flexibleVersions")
        self.low, self.high = self.range(definition["validVersions"])
        self.structs = {s["name"]: s["fields"] for s in definition.get("commonStructs", [])}
        self.learn(self.fields)

    @staticmethod
    def range(versions):
        low, _, high = versions.partition("-")
        return (0, -1) if versions == "none" else (int(low), int(high or low))

    def learn(self, fields):
        for field in fields:
            if "fields" in field:
                self.structs[field["type"].removeprefix("[]")] = field["fields"]
                self.learn(field["fields"])

    def flexible(self, version):
        return within(self.flexible_versions, version)

    def encode(self, version, values):
        writer = Writer(self.flexible(version))
        self._struct(writer, self.fields, version, values)
        return bytes(writer.out)

    def decode(self, version, data):
        reader = Reader(data, self.flexible(version))
        values = self._read_struct(reader, self.fields, version)
        if reader.at < len(data):
            values["_left"] = data[reader.at:]
        return values

    def _default(self, field, version):
        default, kind = field.get("default"), field["type"]
        if default == "null" or (default is None and kind in self.structs and within(field.get("nullableVersions"), version)):
            return None
        if kind.startswith("[]"):
            return []
        if kind in self.structs:
            return {}
        if kind == "bool":
            return str(default).lower() == "true"
        if kind == "float64":
            return float(default or 0)
        if kind in NUMBERS:
            return int(str(default or 0), 0)
        return {"string": default or "", "uuid": uuid.UUID(int=0)}.get(kind, b"")

    def _struct(self, writer, fields, version, values):
        unknown = set(values) - {f["name"] for f in fields}
        assert not unknown, f"{self.name}: no field {unknown}"
        tagged = []
        for field in fields:
            if not within(field.get("versions"), version):
                continue
            value = values.get(field["name"], self._default(field, version))
            if writer.flexible and "tag" in field and within(field.get("taggedVersions"), version):
                if value != self._default(field, version):
                    tagged.append((field, value))
                continue
            self._value(writer, field, field["type"], version, value)
        if writer.flexible:
            writer.varint(len(tagged))
            for field, value in sorted(tagged, key=lambda row: row[0]["tag"]):
                inner = Writer(True)
                self._value(inner, field, field["type"], version, value)
                writer.varint(field["tag"])
                writer.varint(len(inner.out))
                writer.out += inner.out

    def _value(self, writer, field, kind, version, value):
        flexible = False if field.get("flexibleVersions") == "none" else None
        if kind.startswith("[]"):
            writer.length(-1 if value is None else len(value), False, flexible)
            for item in value or []:
                self._value(writer, {}, kind[2:], version, item)
        elif kind in self.structs:
            if within(field.get("nullableVersions"), version):
                writer.out += struct.pack(">b", -1 if value is None else 1)
            if value is not None:
                self._struct(writer, self.structs[kind], version, value)
        elif kind in NUMBERS:
            writer.out += struct.pack(">" + NUMBERS[kind], value)
        elif kind == "uuid":
            writer.out += value.bytes
        else:
            data = value.encode() if isinstance(value, str) else value
            writer.length(-1 if data is None else len(data), kind == "string", flexible)
            writer.out += data or b""

    def _read_struct(self, reader, fields, version):
        values, tagged = {}, {}
        for field in fields:
            if not within(field.get("versions"), version):
                continue
            if reader.flexible and "tag" in field and within(field.get("taggedVersions"), version):
                tagged[field["tag"]] = field
                values[field["name"]] = self._default(field, version)
            else:
                values[field["name"]] = self._read_value(reader, field, field["type"], version)
        for _ in range(reader.varint() if reader.flexible else 0):
            tag, size = reader.varint(), reader.varint()
            inner = Reader(reader.take(size), True)
            if tag not in tagged:
                values.setdefault("_tags", {})[tag] = inner.data
                continue
            values[tagged[tag]["name"]] = self._read_value(inner, tagged[tag], tagged[tag]["type"], version)
            if inner.at < size:
                raise ValueError(f"tag {tag} is longer than its value")
        return values

    def _read_value(self, reader, field, kind, version):
        flexible = False if field.get("flexibleVersions") == "none" else None
        if kind.startswith("[]"):
            count = reader.length(False, flexible)
            return None if count < 0 else [self._read_value(reader, {}, kind[2:], version) for _ in range(count)]
        if kind in self.structs:
            if within(field.get("nullableVersions"), version) and reader.number("b") < 0:
                return None
            return self._read_struct(reader, self.structs[kind], version)
        if kind in NUMBERS:
            return reader.number(NUMBERS[kind])
        if kind == "uuid":
            return uuid.UUID(bytes=bytes(reader.take(16)))
        size = reader.length(kind == "string", flexible)
        data = None if size < 0 else bytes(reader.take(size))
        return data.decode() if kind == "string" and data is not None else data


class Messages:
    """Every definition of one release: `libs` is the folder of its jars."""

    def __init__(self, libs):
        self.requests, self.responses = {}, {}
        jar = next(name for name in sorted(os.listdir(libs)) if re.match(r"kafka-clients-[\d.]+\.jar$", name))
        with zipfile.ZipFile(os.path.join(libs, jar)) as archive:
            for name in archive.namelist():
                if re.match(r"common/message/\w+(Request|Response)\.json$", name):
                    message = Message(archive.read(name).decode())
                    table = self.requests if message.type == "request" else self.responses
                    table[re.sub(r"(Request|Response)$", "", message.name)] = message

    def request(self, api, version, values, correlation, client_id):
        """The frame without its length, in two pieces: header and body."""
        message = self.requests[api]
        return self.header(message.key, version, correlation, client_id, message.flexible(version)), message.encode(version, values)

    @staticmethod
    def header(key, version, correlation, client_id, flexible):
        name = None if client_id is None else client_id.encode()
        return struct.pack(">hhih", key, version, correlation, -1 if name is None else len(name)) + (name or b"") + (b"\0" if flexible else b"")

    def answer(self, api, version, frame):
        """Correlation id and values."""
        message = self.responses[api]
        head = 5 if message.flexible(version) and message.key != API_VERSIONS else 4
        if head == 5 and frame[4]:
            raise ValueError("tags in the header")
        return struct.unpack_from(">i", frame)[0], message.decode(version, frame[head:])
