#!/usr/bin/env python3
"""Other clients on mockbroker, and kclient on Apache Kafka.

    run.py --bin DIR --kafka DIR --kafka-old DIR [REGEX]

REGEX chooses among names such as kcat_test.KcatTest.test_keys_and_headers_survive.  `./dev interop` gives the folders.
"""
import argparse
import faulthandler
import os
import re
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
from common import Settings, Told, report  # noqa: E402

TEST_LIMIT_S = 600  # a test that hangs is a failure, and says where
MODULES = sorted(name[:-3] for name in os.listdir(os.path.dirname(os.path.abspath(__file__))) if name.endswith("_test.py"))


def each(suite):
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from each(test)
        else:
            yield test


class Result(unittest.TextTestResult):
    """A line per test with its time, and with a failure what was going on."""
    begun = time.monotonic()

    def startTest(self, test):
        self.begun = time.monotonic()
        Told.commands.clear()
        faulthandler.dump_traceback_later(TEST_LIMIT_S, exit=True)
        super().startTest(test)

    def stopTest(self, test):
        faulthandler.cancel_dump_traceback_later()
        super().stopTest(test)

    def _tell(self):
        """Now, while the clusters still live: what the commands and they have to say."""
        self.stream.writeln(f"    after {time.monotonic() - self.begun:.1f} s:\n{report()}")

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self._tell()

    def addError(self, test, err):
        super().addError(test, err)
        self._tell()

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self._tell()

    def addSuccess(self, test):
        super().addSuccess(test)
        self.stream.writeln(f"    {time.monotonic() - self.begun:.1f} s")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", required=True)
    parser.add_argument("--kafka", required=True)
    parser.add_argument("--kafka-old", required=True)
    parser.add_argument("regex", nargs="?", default="")
    arguments = parser.parse_args()
    Settings.bin, Settings.kafka, Settings.kafka_old = (os.path.abspath(p) for p in (arguments.bin, arguments.kafka, arguments.kafka_old))
    suite = unittest.TestSuite(t for t in each(unittest.defaultTestLoader.loadTestsFromNames(MODULES)) if re.search(arguments.regex, t.id()))
    result = unittest.TextTestRunner(verbosity=2, resultclass=Result).run(suite)
    failed = len({str(test) for test, _ in result.failures + result.errors})
    print(f"{result.testsRun - failed} passed, {failed} failed")
    return 1 if failed or not result.testsRun else 0


if __name__ == "__main__":
    sys.exit(main())
