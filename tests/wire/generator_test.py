#!/usr/bin/env python3
"""What the generator says to a schema that is wrong: which file, which line, and why.

    generator_test.py GENERATOR
"""
import pathlib
import re
import subprocess
import sys
import tempfile

HEAD = "message M versions 0-3 flexible 2+\n\n"
# what is wrong, the file, the complaint; {} stands for HEAD, so that the first field is on line 3
WRONG = [
    ("nothing at all", "  a: int8\n", r":1: fields belong to"),
    ("an unknown first word", "apo X 1\n", r":1: expected api, message, request or response"),
    ("an open end", "message M versions 0+ flexible none\n", r":1: the versions of a message must end"),
    ("no flexible versions named", "message M versions 0-3\n", r":1: expected: versions RANGE flexible"),
    ("a range backwards", "message M versions 3-1 flexible none\n", r':1: "3-1" is no range'),
    ("a number that is none", "message M versions x flexible none\n", r":1: a version number is expected"),
    ("a request without an api", "request\n", r":1: expected api"),
    ("two requests", "api A 1 versions 0 flexible none\nrequest\n  a: int8\nrequest\n", r":4: expected api"),
    ("no response", "api A 1 versions 0 flexible none\nrequest\n  a: int8\n", r"A:0: has no request or no response"),
    ("an unknown type", "{}  a: int7\n", r':3: "int7" is no type'),
    ("no type", "{}  a:\n", r":3: expected: name: type"),
    ("no colon", "{}  a int8\n", r":3: expected: name: type"),
    ("odd indentation", "{}   a: int8\n", r":3: indentation is two spaces"),
    ("a tab", "{}\ta: int8\n", r":3: .* has no tab"),
    ("too deep", "{}  a: int8\n    b: int8\n", r":4: nothing above this line has fields"),
    ("an unknown attribute", "{}  a: int8 often\n", r':3: "often" is not understood'),
    ("a version that the message lacks", "{}  a: int8 v4\n", r':3: "4" is no range within versions 0-3'),
    ("a version that the parent lacks", "{}  a: []S v2+\n    b: int8 v1+\n", r':4: "1\+" is no range within versions 2-3'),
    ("null outside of the field", "{}  a: string v2+ null v1+\n", r':3: "1\+" is no range'),
    ("a null number", "{}  a: int32?\n", r":3: a: this type cannot be null"),
    ("a default of null that is never null", "{}  a: string = null\n", r":3: a is never null"),
    ("a default that is no number", "{}  a: int8 = many\n", r':3: a: "many" is no number'),
    ("a default text without quotes", "{}  a: string = x\n", r":3: a: a default text is"),
    ("a default list", "{}  a: []int8 = 5\n", r":3: a: this type has no such default"),
    ("the same name twice", "{}  a: int8\n  a: int8\n", r":4: a is already on line 3"),
    ("a word of C", "{}  switch: int8\n", r":3: switch cannot be the name"),
    ("capitals", "{}  TopicId: uuid\n", r":3: TopicId: names are small letters"),
    ("a tag before tags", "{}  a: int8 v1+ tag 0\n", r":3: a: version 1 has no tagged fields"),
    ("the same tag twice", "{}  a: int8 v2+ tag 0\n  b: int8 v2+ tag 0\n", r":4: b: tag 0 is already taken by a"),
    ("a struct that is nowhere", "{}  a: S\n", r":3: a has no fields and no `struct S`"),
    ("a struct described twice", "{}  a: S\n    x: int8\n  b: S\n    x: int8\n", r":6: S is described twice"),
    ("a struct of another field", "{}  a: S\n    x: int8\n  b: S\n", r":5: S belongs to line 4"),
    ("a struct that nobody uses", "{}  struct S\n    x: int8\n  a: int8\n", r":3: no field has the type S"),
    ("a struct within itself", "{}  struct S\n    x: int8\n    s: []S\n  a: []S\n", r": S is nested more than 12 deep, or within itself"),
    ("elements of no bytes", "{}  a: []S\n    x: int8 v1+\n", r":3: an element of a has no bytes in version 0"),
    ("two APIs of one key", "api A 1 versions 0 flexible none\nrequest\n  a: int8\nresponse\n  a: int8\n" * 2, r"key 1 is A already"),
]


def run(generator, text):
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "wrong.schema")
        path.write_text(text.replace("{}", HEAD), encoding="utf-8")
        return subprocess.run([generator, "--dump", str(path)], capture_output=True, text=True)


def main(generator):
    failures = 0
    for what, text, complaint in WRONG:
        result = run(generator, text)
        if result.returncode != 1 or not re.search(complaint, result.stderr):
            failures += 1
            print(f"{what}: exit {result.returncode}, {result.stderr.strip()!r} instead of {complaint!r}")
    right = run(generator, "{}  a: []S? v1+ ignorable # of these\n    x: string null v2+ = null\n  b: int32 v2+ tag 7 = -1\n")
    if right.returncode != 0 or right.stderr:
        failures += 1
        print(f"a schema without a fault: exit {right.returncode}, {right.stderr!r}")
    if subprocess.run([generator], capture_output=True).returncode != 2:
        failures += 1
        print("no arguments: the exit code is not 2")
    print(f"{len(WRONG) + 2} schemas, {failures} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
