#!/usr/bin/env python3
"""The house rules that a machine can check.

    tidy.py [--root DIR] [--build DIR]

Without --build only the sources are looked at; with it, the archives of the core are held against the allow-list of
outside symbols as well.  Prints one line per finding, "file:line: rule: what", and exits with 1 if there is any.
"""
import argparse
import os
import re
import subprocess
import sys

LINES_RED = 1000          # no file is longer
FUNCTION_LINES_RED = 110  # a screen and a half; the house aims at 70
# folder -> folders whose headers it may include (its own always)
LAYERS = {
    "src/base": [],
    "src/protocol": ["base"],
    "src/cluster": ["protocol", "base", "kclient"],
    "src/producer": ["cluster", "protocol", "base", "kclient"],
    "src/consumer": ["cluster", "protocol", "base", "kclient"],
    "src/admin": ["cluster", "protocol", "base", "kclient"],
    "src/plugins": ["producer", "consumer", "cluster", "protocol", "base", "kclient"],
    "src/runtime": ["base"],
    "src/api": ["plugins", "producer", "consumer", "admin", "cluster", "protocol", "base", "runtime", "kclient",
                "mockbroker/mockbroker.h"],  # its types: the library itself is loaded by test.mock.num.brokers
    "src/worker": ["api", "cluster", "protocol", "base", "runtime", "kclient"],
    "include/kclient": ["kclient"],
    "include/mockbroker": [],
    "mockbroker/core": ["protocol", "base", "mockbroker/core"],
    "mockbroker/control": ["protocol", "base", "runtime", "mockbroker", "mockbroker/core", "mockbroker/control"],
    "mockbroker": ["protocol", "base", "runtime", "mockbroker", "mockbroker/core", "mockbroker/control"],
    "tools/kc": ["kclient"],
    "examples": ["kclient", "mockbroker"],
}
# What the core may ask of the outside: pure functions of the C library and the codecs.
CORE_ARCHIVES = ["kci_base", "kci_protocol", "kci_cluster", "kci_producer", "kci_consumer", "kci_admin", "kci_plugins", "mb_core"]
CORE_ALLOWED = re.compile(
    r"^(mem(cpy|move|set|cmp|chr|mem|rchr)|bcmp|str(len|nlen|cmp|ncmp|chr|rchr|str|cspn|spn|casecmp|ncasecmp|tol|toll|toul|toull|tod)|"
    r"__(mem|str|snprintf|vsnprintf)\w*_chk|(v?snprintf)|__assert_fail|__isoc99_sscanf|__isoc23_\w+|sscanf|abort|__stack_chk_fail|qsort|bsearch|"
    r"__ctype_\w+|strerror|strerror_r|isalnum|isdigit|tolower|toupper|__errno_location|"
    r"floor|ceil|pow|log|log2|exp|fmod|round|lround|llround|"
    r"getauxval|"  # constants of the process, read in place: what cpuid is to x86-64
    r"__cpu_model|__cpu_indicator_init|__popcountdi2|_GLOBAL_OFFSET_TABLE_|__tls_get_addr|"
    r"(de|in)flate\w*|crc32\w*|adler32\w*|zlibVersion|LZ4\w*|ZSTD_\w*|snappy_\w*|"
    r"kci_\w+|mb_\w+|kc_\w+|__asan_\w+|__ubsan_\w+|__tsan_\w+|__sanitizer_\w+|__gcov_\w+|__llvm_\w+)$")
# build file -> target -> which of our targets it may link ("*": any target without a row); src/ goes by LAYERS
LINKS = {
    "mockbroker/CMakeLists.txt": {
        "mb_core": {"kci_protocol", "kci_base"},
        "*": {"mb_core", "mb_shell", "mockbroker_lib", "kci_protocol", "kci_base", "kci_runtime"},
    },
    "tools/CMakeLists.txt": {"*": {"kclient::kclient", "demo_verify"}},
    "examples/CMakeLists.txt": {"*": {"kclient::kclient", "mockbroker_lib"}},
}
OUR_TARGET = re.compile(r"^(kci_|mb_|kclient|mockbroker|demo_)[\w:]*$")
LEFTOVERS = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b|^\s*#\s*if 0\b|^(<{7}|>{7}) ")
DEAD_FILES = (".orig", ".rej", ".bak", ".old", ".swp", "~")
TEXTS = (".c", ".h", ".py", ".sh", ".txt", ".cmake", ".in", ".md", ".schema", ".go", ".java", ".html")
SLEEPS = re.compile(r"\b(usleep|nanosleep|sleep|thrd_sleep|clock_nanosleep)\s*\(|select\.select\(\[\], \[\], \[\]|\bpoll\((NULL|0), 0|"
                    r"\bselect\(0, NULL|\bEvent\(\)\.wait\(")
# The one pause between two questions to a process that nobody can wait for: Apache Kafka in a JVM.
SLEEPS_ALLOWED = {os.path.join("tests", "interop", "kafka_cluster.py"): "select.select([], [], [], seconds)"}
EXPORT = re.compile(r"^(KC_EXPORT|KC_MOCK_EXPORT)\b")


class Tidy:
    def __init__(self, root):
        self.root = root
        self.findings = []

    def find(self, path, line, rule, what):
        self.findings.append(f"{os.path.relpath(path, self.root)}:{line}: {rule}: {what}")

    def files(self, *folders, suffixes=(".c", ".h")):
        for folder in folders:
            top = os.path.join(self.root, folder)
            for base, dirs, names in os.walk(top):
                dirs[:] = sorted(d for d in dirs if d not in ("build", ".git", "corpus"))
                for name in sorted(names):
                    if name.endswith(suffixes):
                        yield os.path.join(base, name)

    @staticmethod
    def lines(path):
        with open(path, encoding="utf-8", errors="replace") as f:
            return f.read().split("\n")

    # ---- rules ----
    def includes(self):
        """Layers by includes: what a folder may see."""
        for path in self.files("src", "include", "mockbroker", "tools", "examples"):
            folder = os.path.relpath(os.path.dirname(path), self.root)
            allowed = None
            for layer in sorted(LAYERS, key=len, reverse=True):
                if folder == layer or folder.startswith(layer + "/"):
                    allowed = LAYERS[layer]
                    break
            if allowed is None:
                continue
            own = folder.split("/", 1)[1] if folder.startswith("src/") else folder
            for number, line in enumerate(self.lines(path), 1):
                m = re.match(r'\s*#\s*include\s+["<]([\w/.-]+)[">]', line)
                if not m:
                    continue
                target = os.path.dirname(m.group(1))
                if m.group(1).startswith("."):
                    self.find(path, number, "layers", f"{m.group(1)}: a header is named by its folder below src, include or the top")
                    continue
                known = {k.split("/", 1)[1] if k.startswith(("src/", "include/")) else k for k in LAYERS}
                if target not in known or target in allowed or m.group(1) in allowed or target == own:
                    continue
                self.find(path, number, "layers", f"{folder} must not include {m.group(1)}")

    def link_lines(self):
        """Layers by link lines: the build files say the same as LAYERS and LINKS."""
        for base, _, names in sorted(os.walk(os.path.join(self.root, "src"))):
            if "CMakeLists.txt" in names:
                self.link_lines_of(os.path.join(base, "CMakeLists.txt"), None)
        self.link_lines_of(os.path.join(self.root, "CMakeLists.txt"), None)
        for name, rows in LINKS.items():
            path = os.path.join(self.root, name)
            if os.path.exists(path):
                self.link_lines_of(path, rows)

    def link_lines_of(self, path, rows):
        text = re.sub(r"#.*", "", "\n".join(self.lines(path)))
        for m in re.finditer(r"\b(kclient_layer|target_link_libraries)\(([^()]*)\)", text):
            number = text.count("\n", 0, m.start()) + 1
            target, *words = m.group(2).split()
            if m.group(1) == "kclient_layer":
                target, words = "kci_" + target, ["kci_" + w for w in words if w not in ("LINKS", "EXTERNAL") and "::" not in w]
            for lower in words:
                if rows is not None:
                    allowed = lower in rows.get(target, rows["*"]) or not OUR_TARGET.match(lower)
                else:
                    allowed = not target.startswith("kci_") or not OUR_TARGET.match(lower) or \
                        lower.removeprefix("kci_") in LAYERS.get("src/" + target.removeprefix("kci_"), [])
                if not allowed:
                    self.find(path, number, "layers", f"{target.removeprefix('kci_')} must not link {lower.removeprefix('kci_')}")

    def sizes(self):
        for path in self.files("src", "include", "mockbroker", "tools", "examples", "tests", "bench", suffixes=(".c", ".h", ".py", ".schema")):
            lines = self.lines(path)
            if len(lines) > LINES_RED:
                self.find(path, len(lines), "size", f"{len(lines)} lines; the limit is {LINES_RED}")
            if not path.endswith(".c"):
                continue
            begin = None
            for number, line in enumerate(lines, 1):
                if line.startswith("{"):
                    begin = number
                elif line.startswith("}") and begin:
                    if number - begin > FUNCTION_LINES_RED:
                        self.find(path, begin, "size", f"a function of {number - begin} lines; the limit is {FUNCTION_LINES_RED}")
                    begin = None

    def opening(self):
        """Each file opens with its design."""
        for path in self.files("src", "include", "mockbroker", "tools", "examples", "bench", "tests"):
            if not self.lines(path)[0].startswith("/*"):
                self.find(path, 1, "opening", "the file does not open with a comment on what it is for")

    def exports(self):
        """No doc comment, no export; and exports are prefixed."""
        for path in self.files("include"):
            lines = self.lines(path)
            for number, line in enumerate(lines, 1):
                if not EXPORT.match(line):
                    continue
                before = lines[number - 2].rstrip()
                grouped = EXPORT.match(before) or before.endswith(");")
                if not before.endswith("*/") and not grouped:
                    self.find(path, number, "doc", "an export without a comment above it")
                name = re.search(r"\b(\w+)\(", line)
                if name and not name.group(1).startswith("kc_"):
                    self.find(path, number, "prefix", f"{name.group(1)} is exported without the prefix kc_")

    def tested(self):
        """No test, no export: each function of the public headers is named by a test, an example or a tool."""
        used = set()
        for path in self.files("tests", "examples", "tools"):
            used.update(re.findall(r"\bkc_\w+", "\n".join(self.lines(path))))
        for path in self.files("include"):
            lines = self.lines(path)
            for number, line in enumerate(lines, 1):
                name = EXPORT.match(line) and re.search(r"\b(kc_\w+)\(", line + lines[number])
                if name and name.group(1) not in used:
                    self.find(path, number, "tested", f"no test, example or tool names {name.group(1)}")

    def prefixes(self):
        """Functions that other files can see carry the prefix of their layer."""
        definition = re.compile(r"^(?!static|typedef|struct \w+ \{|enum|return|else|extern)[a-z][\w \*]*?\b(\w+)\([^;]*$")
        for path in self.files("src", "mockbroker"):
            if not path.endswith(".c") or "/generator/" in path or path.endswith("main.c"):
                continue
            wanted = ("mb_", "kc_mock_") if "/mockbroker/" in path[len(self.root):] else ("kci_", "kc_")
            for number, line in enumerate(self.lines(path), 1):
                m = definition.match(line)
                if m and not m.group(1).startswith(wanted):
                    self.find(path, number, "prefix", f"{m.group(1)} is neither static nor prefixed {wanted[0]}")

    def leftovers(self):
        folders = ("src", "include", "mockbroker", "tools", "examples", "tests", "bench", "cmake", "docs", ".ci")
        alone = [os.path.join(self.root, name) for name in ("dev", "README.md", "CMakeLists.txt", ".ci/run")]
        for path in [*self.files(*folders, suffixes=TEXTS), *filter(os.path.exists, alone)]:
            if os.path.join("tests", "tidy") in path:
                continue
            for number, line in enumerate(self.lines(path), 1):
                if LEFTOVERS.search(line):
                    self.find(path, number, "leftover", line.strip())
        for path in self.files(*folders, suffixes=DEAD_FILES):
            self.find(path, 1, "leftover", "a file that nobody needs")

    def sleeps(self):
        for path in self.files("tests", suffixes=(".c", ".h", ".py", ".sh", ".java")):
            if os.path.join("tests", "tidy") in path:
                continue
            allowed = SLEEPS_ALLOWED.get(os.path.relpath(path, self.root))
            for number, line in enumerate(self.lines(path), 1):
                if SLEEPS.search(line) and line.strip() != allowed:
                    self.find(path, number, "sleep", line.strip())

    def symbols(self, build):
        """No world in the core: what its archives ask of the outside is on the allow-list."""
        for archive in CORE_ARCHIVES:
            path = os.path.join(build, "lib", f"lib{archive}.a")
            if not os.path.exists(path):
                if archive != "mb_core" or os.path.exists(os.path.join(build, "bin", "mockbroker")):  # the broker can be left out
                    self.find(path, 0, "world", f"{archive} is not there to be looked at: build first")
                continue
            output = subprocess.run(["nm", "-u", "--format=posix", path], capture_output=True, text=True, check=True).stdout
            for symbol in sorted({line.split()[0] for line in output.splitlines() if len(line.split()) >= 2}):
                if not CORE_ALLOWED.match(symbol.split("@")[0]):
                    self.find(path, 0, "world", f"{archive} uses {symbol}")

    def run(self, build):
        for rule in (self.includes, self.link_lines, self.sizes, self.opening, self.exports, self.tested, self.prefixes, self.leftovers, self.sleeps):
            rule()
        if build:
            self.symbols(build)
        return self.findings


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    here = os.path.dirname(os.path.abspath(__file__))
    parser.add_argument("--root", default=os.path.dirname(os.path.dirname(here)))
    parser.add_argument("--build")
    arguments = parser.parse_args()
    findings = Tidy(arguments.root).run(arguments.build)
    for finding in findings:
        print(finding)
    print(f"tidy: {len(findings)} finding{'s' if len(findings) != 1 else ''}")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
