#!/usr/bin/env python3
"""The build is installed into an empty folder, which is then moved; what is there must be enough for programs that know nothing
of the source tree: by find_package and by pkg-config, against the shared and the static library."""
import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import unittest

arguments = None
PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "program")


def run(*command, **more):
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, **more)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(command)}\nended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return done.stdout


class Installed(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="kclient-install-")
        first = os.path.join(cls.folder, "first")
        run("cmake", "--install", arguments.build, "--prefix", first)
        cls.prefix = os.path.join(cls.folder, "moved")
        os.rename(first, cls.prefix)
        cls.libdir = os.path.join(cls.prefix, arguments.libdir)
        cls.broker = subprocess.Popen([os.path.join(cls.prefix, "bin", "mockbroker"), "--listen", "127.0.0.1:0", "--control", "off",
                                       "--topic", "installed:1:1"], stdout=subprocess.PIPE, text=True)
        cls.address = json.loads(cls.broker.stdout.readline())["bootstrap"]

    @classmethod
    def tearDownClass(cls):
        cls.broker.send_signal(signal.SIGTERM)
        status = cls.broker.wait(timeout=600)
        cls.broker.stdout.close()
        shutil.rmtree(cls.folder)
        assert status == 0, status

    def pkg_config(self, *words):
        environment = {**os.environ, "PKG_CONFIG_PATH": os.path.join(self.libdir, "pkgconfig")}
        return run("pkg-config", *words, env=environment).split()

    def compile(self, source, package, static):
        """The way of the manual of pkg-config; a static link prefers our archives, the codecs stay shared."""
        program = os.path.join(self.folder, f"{source}-{'-'.join(package)}-{static}")
        flags = self.pkg_config("--cflags", "--libs", *(["--static"] if static else []), *package)
        if static:
            flags = [re.sub(r"^-l(kclient|mockbroker)$", r"-l:lib\1.a", flag) for flag in flags]
        run(arguments.cc, "-std=c11", "-o", program, os.path.join(PROGRAM, source), *flags, f"-Wl,-rpath,{self.libdir}")
        return program

    def says_hello(self, *command):
        self.assertIn("hello from kclient", run(*command))

    def test_find_package(self):
        build = os.path.join(self.folder, "cmake")
        run("cmake", "-S", PROGRAM, "-B", build, f"-DCMAKE_PREFIX_PATH={self.prefix}", f"-DCMAKE_C_COMPILER={arguments.cc}")
        run("cmake", "--build", build)
        for name in ("with_shared", "with_static"):
            self.says_hello(os.path.join(build, name), self.address)
        self.says_hello(os.path.join(build, "with_cluster"))
        self.assertIn("libkclient.so.0", run("readelf", "-d", os.path.join(build, "with_shared")))
        self.assertNotIn("libkclient", run("readelf", "-d", os.path.join(build, "with_static")))

    def test_pkg_config(self):
        self.says_hello(self.compile("main.c", ["kclient"], False), self.address)
        static = self.compile("main.c", ["kclient"], True)
        self.says_hello(static, self.address)
        self.assertNotIn("libkclient", run("readelf", "-d", static))

    def test_embedded_cluster(self):
        """Both libraries in one program; their common parts do not meet."""
        for static in (False, True):
            self.says_hello(self.compile("embed.c", ["kclient", "mockbroker"], static))

    def test_tool_finds_its_library(self):
        """kc runs where it was moved to, without LD_LIBRARY_PATH."""
        environment = {k: v for k, v in os.environ.items() if k != "LD_LIBRARY_PATH"}
        self.assertIn("installed", run(os.path.join(self.prefix, "bin", "kc"), "topic", "list", "-b", self.address, env=environment))

    def test_symbols(self):
        """What is visible is what the headers declare, no more and no less; the SONAME carries the number."""
        for name, folder, export in (("kclient", "kclient", "KC_EXPORT"), ("mockbroker", "mockbroker", "KC_MOCK_EXPORT")):
            library = os.path.join(self.libdir, f"lib{name}.so")
            visible = {line.split()[-1].split("@")[0] for line in run("nm", "-D", "--defined-only", library).splitlines()}
            declared = set()
            headers = os.path.join(self.prefix, "include", folder)
            for header in os.listdir(headers):
                with open(os.path.join(headers, header), encoding="utf-8") as f:
                    declared |= set(re.findall(rf"^{export}\b[^(;]*?\b(\w+)\s*\(", f.read(), re.M))
            self.assertEqual(visible, declared)
            self.assertIn(f"lib{name}.so.0", re.search(r"SONAME.*", run("readelf", "-d", library)).group())

    def test_licence_comes_along(self):
        with open(os.path.join(self.prefix, "share", "doc", "kclient", "LICENSE"), encoding="utf-8") as f:
            self.assertIn("Apache License", f.read())

    def test_a_package_is_built_by_destdir(self):
        """DESTDIR is not part of any path that is written into the tree; the ways within it are relative."""
        staging = os.path.join(self.folder, "staging")
        run("cmake", "--install", arguments.build, "--prefix", "/usr", env={**os.environ, "DESTDIR": staging})
        libdir = os.path.join(staging, "usr", arguments.libdir)
        for name in ("libkclient.so", "libkclient.so.0", "libkclient.a", "pkgconfig/kclient.pc", "cmake/kclient/kclientConfig.cmake"):
            self.assertTrue(os.path.exists(os.path.join(libdir, name)), name)
        for base, _, names in os.walk(libdir):
            for name in names:
                if name.endswith((".pc", ".cmake")):
                    with open(os.path.join(base, name), encoding="utf-8") as f:
                        text = f.read()
                    for path in (staging, arguments.build):
                        self.assertNotIn(path, text, name)

    def test_headers_stand_alone(self):
        """Every header compiles by itself, as C11 and as C++."""
        for folder in ("kclient", "mockbroker"):
            for header in sorted(os.listdir(os.path.join(self.prefix, "include", folder))):
                for language in ("c", "c++"):
                    text = f"#include <{folder}/{header}>\n" + ("int main(void) { return 0; }\n")
                    run(arguments.cc, "-x", language, "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only",
                        f"-I{self.prefix}/include", "-", input=text)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", required=True)
    parser.add_argument("--libdir", required=True)
    parser.add_argument("--cc", required=True)
    arguments, rest = parser.parse_known_args()
    unittest.main(argv=["install_test", *rest])
