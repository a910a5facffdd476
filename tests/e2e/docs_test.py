#!/usr/bin/env python3
"""The pages tell the truth: links lead somewhere, commands exist, code compiles, and the configuration page is the table's."""
import os
import re
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from programs import SOURCE, run  # noqa: E402

READER = """kc_config *config = kc_config_new();
kc_consumer *consumer;
kc_records *records;
kc_record_view view;
const char *topic = "orders";
(void)text, (void)producer, (void)consumer, (void)records, (void)view, (void)topic;
kc_config_destroy(config);
{
"""


def pages():
    yield os.path.join(SOURCE, "README.md")
    docs = os.path.join(SOURCE, "docs")
    for name in sorted(os.listdir(docs)):
        if name.endswith(".md"):
            yield os.path.join(docs, name)


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


class Docs(unittest.TestCase):
    def test_links(self):
        """Each relative link names a file of the tree."""
        for page in pages():
            for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", read(page)):
                if not re.match(r"\w+:", target):
                    self.assertTrue(os.path.exists(os.path.join(os.path.dirname(page), target)), f"{page}: {target}")

    def test_pages_are_found(self):
        """The README leads to each page."""
        readme = read(os.path.join(SOURCE, "README.md"))
        for page in pages():
            if not page.endswith("README.md"):
                self.assertIn("(" + os.path.relpath(page, SOURCE) + ")", readme)

    def test_paths(self):
        """Folders and files of the tree that pages name in code are there."""
        for page in pages():
            for path in re.findall(r"`((?:src|include|mockbroker|tools|examples|tests|docs|bench|cmake)/[\w./-]*)`", read(page)):
                self.assertTrue(os.path.exists(os.path.join(SOURCE, path)), f"{page}: {path}")

    def test_named_tests_exist(self):
        """Each test that a page names, as `folder/file:test`, is in that file and, in C, in its list."""
        named = {(page, path, test) for page in pages() for path, test in re.findall(r"`((?:unit|trace|e2e|sim|interop|wire)/[\w/]+_test):(\w+)`", read(page))}
        self.assertTrue(named)
        for page, path, test in named:
            full = os.path.join(SOURCE, "tests", path)
            if os.path.exists(full + ".c"):
                self.assertGreaterEqual(len(re.findall(rf"\b{test}\b", read(full + ".c"))), 2, f"{page}: {path} does not run {test}")
            else:
                self.assertIn(f"def {test}(", read(full + ".py"), f"{page}: {path}")

    def test_configuration_page(self):
        """docs/configuration.md is what `kc config-reference` prints."""
        out, _ = run("kc", "config-reference")
        self.assertEqual(out.decode(), read(os.path.join(SOURCE, "docs", "configuration.md")), "make it anew: kc config-reference > docs/configuration.md")

    def test_apis_page(self):
        """docs/apis.md is what `mockbroker --apis` prints."""
        out, _ = run("mockbroker", "--apis")
        self.assertEqual(out.decode(), read(os.path.join(SOURCE, "docs", "apis.md")), "make it anew: mockbroker --apis > docs/apis.md")

    def test_metrics_page(self):
        """docs/metrics.md is what `kc metrics-reference` prints."""
        out, _ = run("kc", "metrics-reference")
        self.assertEqual(out.decode(), read(os.path.join(SOURCE, "docs", "metrics.md")), "make it anew: kc metrics-reference > docs/metrics.md")

    def test_differences_from_kafka(self):
        """docs/mockbroker.md tells each exception of the differential test, and no other; they do not become more unnoticed."""
        sys.path.insert(0, os.path.join(SOURCE, "tests", "interop"))
        sys.dont_write_bytecode = True
        from differential import exceptions
        section = read(os.path.join(SOURCE, "docs", "mockbroker.md")).split("## Where it differs from Apache Kafka", 1)[1].split("\n## ", 1)[0]
        told = re.findall(r"^\| ([^|]+) \| [^|]+ \|$", section, re.M)
        self.assertEqual(len(told), len(set(told)))
        self.assertEqual(set(told), {row[0] for row in exceptions.rows()} | set(exceptions.ELSEWHERE))
        self.assertLessEqual(len(exceptions.rows()), exceptions.MOST)
        for place in filter(None, exceptions.ELSEWHERE.values()):
            path, name = place.split(": ")
            self.assertIn(name, read(os.path.join(SOURCE, "tests", "interop", path)))

    def test_settings_without_an_effect(self):
        """The list is what the code has: properties that no other file of the broker asks for, and settings of topics that are not resolved."""
        folder = os.path.join(SOURCE, "mockbroker")
        sources = {os.path.join(at, name): read(os.path.join(at, name)) for at, _, names in os.walk(folder) for name in names if name.endswith((".c", ".h"))}
        properties = sources.pop(os.path.join(folder, "core", "properties.c"))
        topics = sources[os.path.join(folder, "core", "topic_config.c")]
        others = "\n".join(sources.values())
        names = re.findall(r'^    [A-Z]\("([\w.]+)"', properties, re.M)
        self.assertGreater(len(names), 100)
        refused = set(re.findall(r'^        \{ "([\w.]+)", "', properties, re.M))
        idle = {name for name in names if f'"{name}"' not in others} - refused
        for key, name, behind in re.findall(r'^    (\[\w+\] = )?\{ "([\w.]+)", MB_CONFIG_.*?(NULL|"[\w.]+") \},$', topics, re.M):
            if not key or "throttled" in name:  # those are only checked
                idle |= {name, behind.strip('"')} - {"NULL"}
        section = read(os.path.join(SOURCE, "docs", "mockbroker.md")).split("## Settings without an effect")[1].split("\n## ")[0]
        rows = re.findall(r"^\| (`.*?) \|", section, re.M)
        self.assertEqual(sorted(idle), sorted(name for row in rows for name in re.findall(r"`([\w.]+)`", row)))

    def test_commands_of_dev(self):
        """Every ./dev COMMAND of a page is one that ./dev knows and lists, and it lists no other."""
        script = os.path.join(SOURCE, "dev")
        usage = subprocess.run([script, "--help"], capture_output=True, text=True, check=True).stdout
        listed = set(re.findall(r"^  (\w+) ", usage, re.M))
        self.assertEqual(listed, set(re.findall(r"^(\w+)\) ", read(script), re.M)))
        named = {command for page in pages() for command in re.findall(r"\./dev (\w+)", read(page))}
        self.assertLessEqual({"demo", "test"}, named)
        self.assertLessEqual(named, listed)
        unknown = subprocess.run([script, "frob"], capture_output=True, text=True, check=False)
        self.assertEqual(unknown.returncode, 2)
        self.assertIn("frob", unknown.stderr)

    def test_options(self):
        """Long options of mockbroker that pages use exist."""
        known = run("mockbroker", "--help")[0].decode()
        for page in pages():
            for line in re.findall(r"^.*mockbroker .*$", read(page), re.M):
                for option in re.findall(r"(?<![\w-])--(?:brokers|listen|topic|data-dir|config|control|as-version|seed|faults|log|advertise)\b", line):
                    self.assertIn(option, known, page)

    def test_code(self):
        """The C of the README compiles inside a function that declares what it uses."""
        blocks = re.findall(r"```c\n(.*?)```", read(os.path.join(SOURCE, "README.md")), re.S)
        self.assertTrue(blocks)
        for block in blocks:
            text = ("#include <kclient/kclient.h>\n#include <stdbool.h>\n#include <string.h>\nextern bool running;\nvoid handle(const kc_record_view *view);\nvoid f(const char *text);\nvoid f(const char *text)\n{\n"
                    "kc_error error;\nkc_producer *producer;\n" + READER + block + "}}\n")
            done = subprocess.run(["cc", "-std=c11", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-I", os.path.join(SOURCE, "include"),
                                   "-x", "c", "-"], input=text, capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, 0, done.stderr)


if __name__ == "__main__":
    unittest.main()
