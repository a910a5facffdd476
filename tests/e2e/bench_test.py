#!/usr/bin/env python3
"""The benchmark scripts work: a small cell of the matrix is measured, told, and written into a page."""
import json
import os
import subprocess
import sys
import tempfile
import unittest

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
sys.path.insert(0, os.path.join(TOP, "tests", "support"))
from programs import LIMIT_S, program  # noqa: E402


class Bench(unittest.TestCase):
    def bench(self, script, *arguments):
        command = [sys.executable, os.path.join(TOP, "bench", script), *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=True).stdout

    def test_matrix(self):
        """One cell, one client: a line of JSON with what was counted; its table stands between markers, and is replaced by the next."""
        with tempfile.TemporaryDirectory() as folder:
            out, page = os.path.join(folder, "m.jsonl"), os.path.join(folder, "page.md")
            self.bench("matrix.py", "--bin", os.path.dirname(program("kc")), "--quick", "--clients", "kclient", "--broker", "mock", "--only", "produce",
                       "--cells", "1", "--bytes", "1e6", "--out", out, "--write", page)
            with open(out, encoding="utf-8") as f:
                about, cell = map(json.loads, f)
            self.assertEqual(about["about"]["clients"], ["kclient"])
            self.assertEqual((cell["what"], cell["client"], cell["runs"]), ("produce", "kclient", 1))
            self.assertGreater(cell["records_per_s"], 0)
            self.bench("matrix.py", "--render", "--out", out, "--write", page)
            with open(page, encoding="utf-8") as f:
                text = f.read()
            self.assertEqual(text.count("| 10 bytes |"), 2)  # speed and processor time, once each
            self.assertTrue(os.path.exists(os.path.join(folder, "page.svg")))

    def test_help(self):
        for script in ("bench.py", "matrix.py", "broker.py", "rebalance.py"):
            self.assertIn("usage:", self.bench(script, "--help"))


if __name__ == "__main__":
    unittest.main()
