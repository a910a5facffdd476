#!/usr/bin/env python3
"""The rules can fail: each is shown a small tree that breaks it, and must say so; the clean tree must pass."""
import os
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tidy  # noqa: E402

CLEAN = {
    "CMakeLists.txt": "kclient_layer(base)\nkclient_layer(cluster LINKS protocol)\n",
    "src/base/x.c": '/* x */\n#include "base/x.h"\nint kci_x_one(void)\n{\n    return 1;\n}\n',
    "src/base/x.h": "/* x */\nint kci_x_one(void);\n",
    "include/kclient/a.h": "/* a */\n/* Says one. */\nKC_EXPORT int kc_one(void);\n",
    "tests/unit/base/x_test.c": "/* x */\nint one = kc_one();\n",
}


class TidyTest(unittest.TestCase):
    def look(self, changes):
        with tempfile.TemporaryDirectory() as root:
            for path, text in {**CLEAN, **changes}.items():
                full = os.path.join(root, path)
                os.makedirs(os.path.dirname(full), exist_ok=True)
                with open(full, "w", encoding="utf-8") as f:
                    f.write(text)
            return tidy.Tidy(root).run(None)

    def assert_found(self, rule, changes):
        findings = self.look(changes)
        self.assertEqual(len(findings), 1, findings)
        self.assertIn(f": {rule}: ", findings[0])

    def test_a_clean_tree_has_no_findings(self):
        self.assertEqual(self.look({}), [])

    def test_an_include_that_points_up_is_found(self):
        self.assert_found("layers", {"src/base/y.c": '/* y */\n#include "cluster/cluster.h"\n'})

    def test_a_broker_that_sees_the_client_is_found(self):
        self.assert_found("layers", {"mockbroker/core/y.c": '/* y */\n#include "producer/producer.h"\n'})

    def test_a_layer_that_sees_the_workers_above_it_is_found(self):
        self.assert_found("layers", {"src/consumer/y.c": '/* y */\n#include "worker/progress.h"\n'})
        self.assert_found("layers", {"src/api/y.c": '/* y */\n#include "worker/progress.h"\n'})

    def test_a_link_line_that_points_up_is_found(self):
        self.assert_found("layers", {"CMakeLists.txt": "kclient_layer(base LINKS cluster)\n"})

    def test_a_file_that_is_too_long_is_found(self):
        self.assert_found("size", {"src/base/y.c": "/* y */\n" + "\n" * 1000})

    def test_a_function_that_is_too_long_is_found(self):
        self.assert_found("size", {"src/base/y.c": "/* y */\nstatic int f(void)\n{\n" + "    ;\n" * 120 + "}\n"})

    def test_a_file_without_a_design_is_found(self):
        self.assert_found("opening", {"src/base/y.c": "int kci_y;\n"})

    def test_an_export_without_a_comment_is_found(self):
        self.assert_found("doc", {"include/kclient/b.h": "/* b */\n\nKC_EXPORT int kc_one(void);\n"})

    def test_an_export_without_a_test_is_found(self):
        self.assert_found("tested", {"include/kclient/b.h": "/* b */\n/* Says two. */\nKC_EXPORT int kc_two(void);\n"})

    def test_a_symbol_without_its_prefix_is_found(self):
        self.assert_found("prefix", {"src/base/y.c": "/* y */\nint helper(int a)\n{\n    return a;\n}\n"})

    def test_a_leftover_is_found(self):
        self.assert_found("leftover", {"src/base/y.c": "/* y */\n/* TO" + "DO later */\n"})

    def test_a_test_that_sleeps_is_found(self):
        self.assert_found("sleep", {"tests/unit/base/y_test.c": "/* y */\nvoid f(void) { usl" + "eep(10); }\n"})

    def test_a_core_that_reads_the_clock_is_found(self):
        with tempfile.TemporaryDirectory() as build:
            os.makedirs(os.path.join(build, "lib"))
            source, object_file = os.path.join(build, "y.c"), os.path.join(build, "y.o")
            with open(source, "w", encoding="utf-8") as f:
                f.write("#include <time.h>\nlong kci_y(void) { return (long)clock(); }\n")
            subprocess.run(["cc", "-c", source, "-o", object_file], check=True)
            subprocess.run(["ar", "rc", os.path.join(build, "lib", "libkci_base.a"), object_file], check=True)
            checker = tidy.Tidy(build)
            checker.symbols(build)
            self.assertEqual(len(checker.findings), 1, checker.findings)
            self.assertIn("kci_base uses clock", checker.findings[0])


if __name__ == "__main__":
    unittest.main()
