#!/usr/bin/env python3
"""The demo on a small folder: files of every shape come back equal although a consumer is killed and a broker stopped; it leaves
nothing behind; and it fails when it should."""
import os
import re
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from programs import Mockbroker, program, run  # noqa: E402

FILES = {
    "lines": b"".join(b"line %d\n" % i for i in range(30000)),
    "no-newline-at-end": b"first\nlast",
    "empty-lines": b"\n\n\n",
    "one-newline": b"\n",
    "carriage-returns": b"a\r\nb\r\n",
    "not-utf8": b"\xff\xfe text \xc0\n",
    "long-line": b"x" * 700000 + b"\nand a short one\n",
    "below/deeper/leaf": b"leaf\n" * 500,
    "empty": b"",
    "binary": b"\x7fELF\0\0\0",
}
TEXTS = len(FILES) - 2  # neither the empty nor the binary one


def records_of(data):
    """A record is a line, or 256 KiB of a long one."""
    pieces = data.split(b"\n")
    return sum(max(1, -(-len(piece) // 262144)) for piece in pieces[:-1]) + -(-len(pieces[-1]) // 262144)


class Demo(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.spools = tempfile.TemporaryDirectory()
        for name, data in FILES.items():
            path = os.path.join(self.folder.name, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as f:
                f.write(data)

    def tearDown(self):
        self.folder.cleanup()
        self.spools.cleanup()

    def demo(self, *arguments, **more):
        out, err = run("demo", *arguments, env={"TMPDIR": self.spools.name}, **more)
        self.assertEqual(os.listdir(self.spools.name), [])
        return out.decode(), err.decode()

    def test_all_files_are_equal(self):
        """The table adds up: all records, no loss, nothing twice in the log, every file equal."""
        out, err = self.demo(self.folder.name, "--mockbroker", program("mockbroker"))
        table = {name.strip(): figures.split() for name, figures in re.findall(r"^(\S.*?)  +(\S.*)$", out, re.M)}
        wanted = sum(records_of(data) for name, data in FILES.items() if name != "binary")
        self.assertEqual(int(table["records"][0]), wanted)
        self.assertEqual(int(table["records"][1]), wanted + int(table["records read again (at-least-once)"][0]))
        self.assertEqual(table["records lost"], ["0"])
        self.assertEqual(table["records twice in the log"], ["0"])
        self.assertEqual(table["files different"], ["0"])
        self.assertEqual(table["files verified by SHA-256"], [f"{TEXTS}/{TEXTS}"])
        self.assertIn("all files are equal, nothing was lost", out)
        self.assertIn("killing reader", err)
        self.assertIn("the broker comes back", err)

    def test_failures(self):
        """No text, no folder, no brokers, a command that fails: status 1 and one clear line."""
        broker = program("mockbroker")
        with tempfile.TemporaryDirectory() as empty:
            self.assertIn("no text file", self.demo(empty, "--mockbroker", broker, status=1)[1])
        self.assertIn("cannot be read", self.demo("/no/such/folder", "--mockbroker", broker, status=1)[1])
        self.assertIn("did not start", self.demo(self.folder.name, "--mockbroker", "/no/such/program", status=1)[1])
        self.assertIn("is needed", self.demo(self.folder.name, status=1)[1])
        for wrong in (("--frob",), ("--limit", "soon"), ("--limit", "0"), ("--limit", "5x"), ("--limit",)):
            self.assertRegex(self.demo(*wrong, status=2)[1], rf"^demo: .*{wrong[0]}.*; see --help\n$")
        self.assertIn("--limit MB", self.demo("--help")[0])
        with Mockbroker(brokers=3) as cluster:
            self.assertIn('"false" ended with', self.demo(self.folder.name, "--bootstrap", cluster.address, "--stop-command", "false", status=1)[1])

    def test_what_differs_is_told(self):
        """Half-way somebody writes a record of no file into the log: all files are equal, but that is not all there is; the table and the
        status say so."""
        with Mockbroker(brokers=3) as cluster:
            intrude = f"echo intruder | {program('kc')} produce -b {cluster.address} -t watched -k /no/such/file -H line=9-letters"
            out, err = self.demo(self.folder.name, "--bootstrap", cluster.address, "--topic", "watched", "--stop-command", intrude, "--start-command", "true",
                                 status=1)
        self.assertRegex(err, r"partition \d+ offset \d+ holds a record of an unknown file")
        self.assertRegex(out, r"(?m)^files different +1$")
        self.assertIn("FAILED: see above", out)
        self.assertNotIn("nothing was lost", out)


if __name__ == "__main__":
    unittest.main()
