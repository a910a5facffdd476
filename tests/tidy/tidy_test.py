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

    def test_a_link_line_of_a_folder_that_points_up_is_found(self):
        self.assert_found("layers", {"src/protocol/CMakeLists.txt": "kclient_layer(protocol LINKS base cluster)\n"})
        self.assert_found("layers", {"src/protocol/CMakeLists.txt": "target_link_libraries(kci_protocol PUBLIC\n  zlib kci_runtime)\n"})
        self.assert_found("layers", {"CMakeLists.txt": "kclient_layer(cluster LINKS protocol EXTERNAL kci_runtime)\n"})
        self.assertEqual(self.look({"src/protocol/CMakeLists.txt": "target_link_libraries(kci_protocol PUBLIC zlib kci_base)\n"}), [])

    def test_a_broker_that_links_the_client_is_found(self):
        self.assert_found("layers", {"mockbroker/CMakeLists.txt": "target_link_libraries(mb_core PUBLIC kci_protocol kci_cluster)\n"})
        self.assert_found("layers", {"mockbroker/CMakeLists.txt": "target_link_libraries(mb_core PUBLIC kci_runtime)\n"})
        self.assert_found("layers", {"mockbroker/CMakeLists.txt": "target_link_libraries(mockbroker_lib PUBLIC mb_core kclient::kclient)\n"})

    def test_a_tool_that_links_past_the_public_library_is_found(self):
        self.assert_found("layers", {"tools/CMakeLists.txt": "target_link_libraries(kc PRIVATE kclient::kclient kci_base)\n"})
        self.assert_found("layers", {"examples/CMakeLists.txt": "target_link_libraries(worker PRIVATE kci_api)\n"})

    def test_an_include_by_the_way_of_the_folders_is_found(self):
        self.assert_found("layers", {"src/base/y.c": '/* y */\n#include "../cluster/cluster.h"\n'})

    def test_a_broker_core_that_sees_its_shell_is_found(self):
        self.assert_found("layers", {"mockbroker/core/y.c": '/* y */\n#include "mockbroker/shell.h"\n'})

    def test_an_include_that_points_up_is_found_in_every_layer(self):
        """Each folder with rules sees one that it must not."""
        for layer in tidy.LAYERS:
            up = "producer/producer.h" if "producer" not in tidy.LAYERS[layer] and layer != "src/producer" else "worker/progress.h"
            self.assert_found("layers", {f"{layer}/y.h": f'/* y */\n#include "{up}"\n'})

    def test_a_file_that_is_too_long_is_found(self):
        for name in ("src/base/y.c", "src/protocol/schema/y.schema", "tests/e2e/y_test.py"):
            self.assert_found("size", {name: "/* y */\n" + "\n" * 1000})

    def test_a_function_that_is_too_long_is_found(self):
        self.assert_found("size", {"src/base/y.c": "/* y */\nstatic int f(void)\n{\n" + "    ;\n" * 120 + "}\n"})

    def test_a_file_without_a_design_is_found(self):
        self.assert_found("opening", {"src/base/y.c": "int kci_y;\n"})

    def test_an_export_without_a_comment_is_found(self):
        self.assert_found("doc", {"include/kclient/b.h": "/* b */\n\nKC_EXPORT int kc_one(void);\n"})

    def test_an_export_without_a_test_is_found(self):
        self.assert_found("tested", {"include/kclient/b.h": "/* b */\n/* Says two. */\nKC_EXPORT int kc_two(void);\n"})

    def test_an_export_without_its_prefix_is_found(self):
        self.assert_found("prefix", {"include/kclient/b.h": "/* b */\n/* Says two. */\nKC_EXPORT int one(void);\n"})

    def test_a_symbol_without_its_prefix_is_found(self):
        self.assert_found("prefix", {"src/base/y.c": "/* y */\nint helper(int a)\n{\n    return a;\n}\n"})

    def test_a_leftover_is_found(self):
        for path in ("src/base/y.c", "docs/y.md", "src/protocol/schema/y.schema", "bench/go/y.go", "tests/interop/java/Y.java", "dev",
                     "cmake/y.cmake", "mockbroker/control/y.html", ".ci/run"):
            self.assert_found("leftover", {path: "/* y */\n/* TO" + "DO later */\n"})
        self.assert_found("leftover", {"src/base/y.c": "/* y */\n#if " + "0\n#endif\n"})
        self.assert_found("leftover", {"src/base/y.c": "/* y */\n" + "<" * 7 + " HEAD\n"})
        self.assert_found("leftover", {"src/base/y.c.orig": "/* y */\n"})

    def test_a_test_that_sleeps_is_found(self):
        self.assert_found("sleep", {"tests/unit/base/y_test.c": "/* y */\nvoid f(void) { usl" + "eep(10); }\n"})
        self.assert_found("sleep", {"tests/unit/base/y_test.c": "/* y */\nvoid f(void) { po" + "ll(NULL, 0, 10); }\n"})
        self.assert_found("sleep", {"tests/e2e/y_test.py": "time.sl" + "eep(1)\n"})
        self.assert_found("sleep", {"tests/e2e/y_test.py": "select.sel" + "ect([], [], [], 1)\n"})
        self.assert_found("sleep", {"tests/interop/java/Y.java": "Thread.sl" + "eep(1);\n"})

    def symbols_of(self, source, archives=tidy.CORE_ARCHIVES):
        """What is said of a build whose archives all hold the one function."""
        with tempfile.TemporaryDirectory() as build:
            for folder in ("lib", "bin"):
                os.makedirs(os.path.join(build, folder))
            code, object_file = os.path.join(build, "y.c"), os.path.join(build, "y.o")
            for path, text in ((code, source), (os.path.join(build, "bin", "mockbroker"), "")):
                with open(path, "w", encoding="utf-8") as f:
                    f.write(text)
            subprocess.run(["cc", "-c", code, "-o", object_file], check=True)
            for archive in archives:
                subprocess.run(["ar", "rc", os.path.join(build, "lib", f"lib{archive}.a"), object_file], check=True)
            checker = tidy.Tidy(build)
            checker.symbols(build)
            return checker.findings

    def test_a_core_that_reads_the_clock_is_found(self):
        findings = self.symbols_of("#include <time.h>\nlong kci_y(void) { return (long)clock(); }\n")
        self.assertEqual(len(findings), len(tidy.CORE_ARCHIVES), findings)
        for archive, finding in zip(tidy.CORE_ARCHIVES, findings):
            self.assertIn(f"{archive} uses clock", finding)

    def test_no_way_out_of_the_core_is_on_the_list(self):
        for symbol in ("clock_gettime", "time", "socket", "sendmsg", "malloc", "calloc", "free", "pthread_create", "pthread_mutex_lock", "open",
                       "write", "fopen", "getenv", "rand", "random", "printf", "puts", "exit", "usleep", "getaddrinfo"):
            self.assertIsNone(tidy.CORE_ALLOWED.match(symbol), symbol)

    def test_a_core_that_asks_for_what_is_allowed_is_not(self):
        self.assertEqual(self.symbols_of("#include <string.h>\nsize_t kci_y(const char *s) { return strlen(s); }\n"), [])

    def test_an_archive_that_is_not_looked_at_is_found(self):
        findings = self.symbols_of("int kci_y(void) { return 1; }\n", tidy.CORE_ARCHIVES[:-2])
        self.assertEqual(len(findings), 2, findings)
        self.assertIn("mb_core is not there", findings[1])


if __name__ == "__main__":
    unittest.main()
