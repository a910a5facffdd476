#!/usr/bin/env python3
"""Every .c and .h is laid out as clang-format does it: `./dev fmt` makes it so.

Versions of clang-format differ in what they make of one .clang-format, so that only the version below is asked; where
it is not installed the check is skipped (exit 77), since no other can tell.
"""
import os
import re
import shutil
import subprocess
import sys

VERSION = 14
SKIPPED = 77
FOLDERS = ("src", "include", "mockbroker", "tools", "examples", "tests", "bench")


def formatter():
    for name in (f"clang-format-{VERSION}", "clang-format"):
        path = shutil.which(name)
        if path:
            told = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout
            found = re.search(r"version (\d+)\.", told)
            if found and int(found.group(1)) == VERSION:
                return path
    return None


def sources(root):
    for folder in FOLDERS:
        for base, dirs, names in os.walk(os.path.join(root, folder)):
            dirs.sort()
            yield from (os.path.join(base, name) for name in sorted(names) if name.endswith((".c", ".h")))


def main():
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    path = formatter()
    if not path:
        print(f"skipped: there is no clang-format {VERSION}")
        return SKIPPED
    done = subprocess.run([path, "--dry-run", "--style=file", *sources(root)], capture_output=True, text=True, check=False)
    wrong = sorted({os.path.relpath(line.split(":")[0], root) for line in done.stderr.splitlines() if ": warning: " in line})
    for name in wrong:
        print(f"{name}: layout: ./dev fmt changes it")
    if done.returncode and not wrong:
        print(done.stderr)
    return 1 if wrong or done.returncode else 0


if __name__ == "__main__":
    sys.exit(main())
