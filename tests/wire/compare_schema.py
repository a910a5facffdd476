#!/usr/bin/env python3
"""Our schema against Kafka's own message definitions: field by field, version by version.

    compare_schema.py [--mutate] GENERATOR SCHEMA_FILE...

KCLIENT_KAFKA_MESSAGES lists directories of Kafka's definitions (common/message/*.json of a kafka-clients jar), separated by
colons, oldest release first.  Without it the test is skipped, exit 77.

For each API, and each version that any of those releases calls stable, both sides are flattened to what that version has on the
wire: names, types, order, null, defaults, tags, flexible or not.  Releases drop old versions from their definitions, so several
are needed to cover all that we describe; where they disagree about names, the newest one is right.  An API or version that only one side
has is a difference too.

--mutate turns the question round: each fact of our schema is changed, one at a time, and each change must be noticed.
"""
import copy
import json
import os
import pathlib
import re
import subprocess
import sys

# What Kafka defines and we do not: requests that no client sends to a broker's client listener.
NOT_DESCRIBED = {
    "between brokers, before 4.0": {4, 5, 6, 7},
    "between brokers and controllers": {52, 53, 54, 56, 58, 59, 62, 63, 67, 70, 73, 82},
    "controller quorum membership": {80, 81, 94},
    "streams groups": {88, 89, 93},
}
DATA = ("ConsumerProtocolSubscription", "ConsumerProtocolAssignment")
OPEN = 32767
ZERO = {"bool": "false", "string": "", "bytes": "", "records": "", "uuid": "", "float64": "0"}


def snake(name):
    name = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name)
    return re.sub(r"([A-Z])([A-Z][a-z])", r"\1_\2", name).lower()


def versions(text):
    """Kafka's "none", "3", "3-5", "3+" as (lowest, highest), or None."""
    if text in (None, "none"):
        return None
    if text.endswith("+"):
        return int(text[:-1]), OPEN
    low, _, high = text.partition("-")
    return int(low), int(high or low)


def within(version, bounds):
    return bounds is not None and bounds[0] <= version <= bounds[1]


class Kafka:
    """One release's definitions."""

    def __init__(self, folder):
        self.folder = folder
        self.messages = {}  # (api key, "request" or "response") or name -> definition
        for path in sorted(pathlib.Path(folder).glob("*.json")):
            text = re.sub(r"^\s*//.*$", "", path.read_text(encoding="utf-8"), flags=re.M)
            message = json.loads(text)
            if message["validVersions"] == "none":
                continue
            if message["type"] in ("request", "response"):
                self.messages[message["apiKey"], message["type"]] = message
            elif message["name"] in DATA:
                self.messages[message["name"]] = message
        self.paths = {}
        for key, message in self.messages.items():
            shared = {s["name"]: s["fields"] for s in message.get("commonStructs", [])}
            self.paths[key] = set(paths(message["fields"], shared))
        if not self.messages:
            sys.exit(f"{folder}: no message definitions")

    def stable(self, key):
        """The versions of an API, or of a data message, that will not change any more."""
        both = [self.messages[k] for k in ((key, "request"), (key, "response"), key) if k in self.messages]
        low = max(versions(m["validVersions"])[0] for m in both)
        high = min(versions(m["validVersions"])[1] - bool(m.get("latestVersionUnstable")) for m in both)
        return range(low, high + 1)

    def at(self, key, version):
        """Everything that `version` of the message has."""
        message = self.messages[key]
        shared = {s["name"]: s["fields"] for s in message.get("commonStructs", [])}
        return {
            "name": message["name"],
            "flexible": within(version, versions(message.get("flexibleVersions"))),
            "fields": self.fields(message["fields"], shared, version),
        }

    def fields(self, fields, shared, version):
        result = []
        for field in fields:
            if not within(version, versions(field["versions"])):
                continue
            if "flexibleVersions" in field:
                sys.exit(f"{field['name']}: a field with flexible versions of its own; the codec has no such thing")
            array = field["type"].startswith("[]")
            kind = field["type"].removeprefix("[]")
            inner = field.get("fields") or shared.get(kind)
            tagged = within(version, versions(field.get("taggedVersions")))
            result.append({
                "name": snake(field["name"]),
                "type": "struct" if inner is not None else kind,
                "array": array,
                "struct": kind if inner is not None else None,
                "null": within(version, versions(field.get("nullableVersions"))),
                "tag": field["tag"] if tagged else None,
                "default": default_of(field.get("default"), kind if inner is None else "struct", array),
                "ignorable": bool(field.get("ignorable")),
                "fields": self.fields(inner, shared, version) if inner is not None else None,
            })
        return result


def default_of(value, kind, array):
    if value is None or value == "":
        return "" if array else ZERO.get(kind, "" if kind == "struct" else "0")
    if isinstance(value, bool):
        return "true" if value else "false"
    value = str(value)
    number = kind.startswith(("int", "uint")) and re.fullmatch(r"-?(0x[0-9a-fA-F]+|\d+)", value)
    return str(int(value, 0)) if number else value


class Ours:
    """The dump of our schema."""

    def __init__(self, generator, files):
        dump = json.loads(subprocess.run([generator, "--dump", *files], check=True, capture_output=True).stdout)
        keys = {api["name"]: api["key"] for api in dump["apis"]}
        self.messages = {}
        for message in dump["messages"]:
            for suffix in ("Request", "Response"):
                name = message["name"].removesuffix(suffix)
                if message["name"].endswith(suffix) and name in keys:
                    self.messages[keys[name], suffix.lower()] = message
                    break
            else:
                self.messages[message["name"]] = message

    def at(self, key, version):
        message = self.messages[key]
        return {
            "name": message["name"],
            "flexible": version >= message.get("flexible_from", OPEN),
            "fields": self.fields(message["fields"], message["structs"], version),
        }

    def fields(self, fields, structs, version):
        result = []
        for field in fields:
            if not within(version, field["versions"]):
                continue
            inner = structs.get(field["type"])
            kind = field["type"] if inner is None else "struct"
            null = within(version, field.get("null"))
            default = default_of(field.get("default"), kind, field["array"])
            if kind == "struct" and not field["array"] and "null" in field:
                default = "null"
            result.append({
                "name": field["name"],
                "type": kind,
                "array": field["array"],
                "struct": field["type"] if inner is not None else None,
                "null": null,
                "tag": field["tag"] if within(version, field.get("tagged")) else None,
                "default": default,
                "ignorable": field["ignorable"],
                "fields": self.fields(inner, structs, version) if inner is not None else None,
            })
        return result


def in_wire_order(fields):
    """Tagged fields are found by their numbers, the others by their place."""
    return [f for f in fields if f["tag"] is None] + sorted((f for f in fields if f["tag"] is not None), key=lambda f: f["tag"])


def paths(fields, shared, path=""):
    """Where in a definition of Kafka's there are fields, in whatever version."""
    for field in fields:
        here = f"{path}.{snake(field['name'])}"
        yield here
        yield from paths(field.get("fields") or shared.get(field["type"].removeprefix("[]"), []), shared, here)


def differences(ours, kafka, newest, later, path, inside=""):
    """Sentences about what differs between two lists of fields.

    newest: no later release has this version, so names must be this one's.
    later: the fields that a later release has. What is ignorable is said there, since that is about the versions that lack a field.
    """
    ours, kafka = in_wire_order(ours), in_wire_order(kafka)
    for mine, theirs in zip(ours, kafka):
        where, here = f"{path}.{mine['name']}", f"{inside}.{theirs['name']}"
        facts = ["type", "array", "null", "tag", "default"]
        facts += ["name", "struct"] if newest else []
        facts += ["ignorable"] if here not in later else []
        for fact in facts:
            if mine[fact] != theirs[fact]:
                yield f"{where}: {fact} is {mine[fact]!r}, Kafka's {theirs['name']} has {theirs[fact]!r}"
        if mine["fields"] is not None and theirs["fields"] is not None:
            yield from differences(mine["fields"], theirs["fields"], newest, later, where, here)
    for extra in ours[len(kafka):]:
        yield f"{path}.{extra['name']}: Kafka has no such field"
    for missing in kafka[len(ours):]:
        yield f"{path}: Kafka's field {missing['name']} is missing"


def compare_message(ours, releases, key):
    """One message in all its versions, against every release that knows them."""
    name = ours.messages[key]["name"]
    api = key[0] if isinstance(key, tuple) else key
    low, high = ours.messages[key]["versions"]
    known = set()
    for number, release in enumerate(releases):
        if key not in release.messages:
            continue
        later = releases[number + 1:]
        newer_paths = set().union(*(r.paths.get(key, ()) for r in later))
        for version in release.stable(api):
            known.add(version)
            if not low <= version <= high:
                yield f"{name} v{version}: Kafka has it ({release.folder}), we do not"
                continue
            mine, theirs = ours.at(key, version), release.at(key, version)
            newest = not any(key in r.messages and version in r.stable(api) for r in later)
            if newest and mine["name"] != theirs["name"]:
                yield f"{name}: Kafka calls it {theirs['name']}"
            if mine["flexible"] != theirs["flexible"]:
                yield f"{name} v{version}: flexible is {mine['flexible']}, Kafka's is {theirs['flexible']}"
            yield from differences(mine["fields"], theirs["fields"], newest, newer_paths, f"{name} v{version}")
    for version in range(low, high + 1):
        if version not in known:
            yield f"{name} v{version}: no release has it as a stable version"


def compare(ours, releases):
    left_out = set().union(*NOT_DESCRIBED.values())
    for release in releases:
        for key in release.messages:
            if key not in ours.messages and not (isinstance(key, tuple) and key[0] in left_out):
                yield f"{release.messages[key]['name']} ({key}) is not described"
    for key in ours.messages:
        yield from compare_message(ours, releases, key)


def mutations(field):
    """Changed copies of one field, with a word for each; None: the field is gone."""
    yield "removed", None
    for what, change in {
        "type": {"type": "int64" if field["type"] == "int32" else "int32"},
        "array": {"array": not field["array"]},
        "ignorable": {"ignorable": not field["ignorable"]},
        "name": {"name": field["name"] + "_x"},
    }.items():
        yield what, {**field, **change}
    low, high = field["versions"]
    if low < high:
        yield "later", {**field, "versions": [low + 1, high]}
        yield "ends", {**field, "versions": [low, high - 1]}
    if "null" in field:
        yield "not null", {k: v for k, v in field.items() if k != "null"}
    else:
        yield "null", {**field, "null": field["versions"]}
    if field.get("default") not in ("null", None) or field["type"].startswith("int"):
        yield "default", {**field, "default": "77"}
    if field.get("default") == "null":
        yield "no default", {k: v for k, v in field.items() if k != "default"}
    if "tag" in field:
        yield "tag number", {**field, "tag": field["tag"] + 50}
        yield "no tag", {k: v for k, v in field.items() if k not in ("tag", "tagged")}


def mutate(ours, releases):
    """Every change that nobody noticed."""
    count, survivors = 0, []
    for key, message in ours.messages.items():
        for owner, fields in [("", message["fields"]), *message["structs"].items()]:
            for index, field in enumerate(fields):
                for what, changed in mutations(field):
                    broken = copy.deepcopy(message)
                    target = broken["structs"][owner] if owner else broken["fields"]
                    target[index:index + 1] = [changed] if changed else []
                    ours.messages[key] = broken
                    count += 1
                    if not next(compare_message(ours, releases, key), None):
                        survivors.append(f"{message['name']}.{owner or '*'}.{field['name']}: {what} went unnoticed")
        ours.messages[key] = message
    print(f"{count} changed facts, {len(survivors)} unnoticed")
    return survivors


def main(arguments):
    mutating = arguments[:1] == ["--mutate"]
    folders = [f for f in os.environ.get("KCLIENT_KAFKA_MESSAGES", "").split(":") if f]
    if not folders:
        print("SKIPPED: KCLIENT_KAFKA_MESSAGES names no directory of Kafka's message definitions; ./dev test fetches them")
        return 77
    releases = [Kafka(folder) for folder in folders]
    generator, *files = arguments[mutating:]
    ours = Ours(generator, files)
    found = mutate(ours, releases) if mutating else list(compare(ours, releases))
    for sentence in found:
        print(sentence)
    if not mutating:
        compared = sum(m["versions"][1] - m["versions"][0] + 1 for m in ours.messages.values())
        print(f"{len(ours.messages)} messages, {compared} versions, {len(found)} differences")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
