"""Programs of the build as tests use them: mockbroker as a process, kc with its input, output and exit status."""
import json
import os
import signal
import subprocess
import tempfile
import urllib.request

BIN = os.environ.get("KCLIENT_BIN", "build/release/bin")
SOURCE = os.environ.get("KCLIENT_SOURCE", os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
LIMIT_S = 300  # a program that takes longer hangs; far beyond what any story needs, also with sanitizers


def program(name):
    return os.path.join(BIN, name)


class Mockbroker:
    """A mockbroker process; use it with `with`, or call stop() or kill()."""

    def __init__(self, *arguments, brokers=1, before_exec=None):
        self.errors = tempfile.TemporaryFile()
        self.process = subprocess.Popen([program("mockbroker"), "--brokers", str(brokers), "--listen", "127.0.0.1:0",
                                         "--control", "127.0.0.1:0", *arguments], stdout=subprocess.PIPE, stderr=self.errors,
                                        preexec_fn=before_exec)
        line = self.process.stdout.readline()
        if not line:
            self.process.wait(timeout=LIMIT_S)
            raise AssertionError(f"mockbroker did not start: {self.said()}")
        self.about = json.loads(line)
        self.address = self.about["bootstrap"]

    def said(self):
        self.errors.seek(0)
        return self.errors.read().decode(errors="replace")

    def control(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.about["control"] + path, data=data, method=method)
        with urllib.request.urlopen(request, timeout=LIMIT_S) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def end(self, signal_number):
        self.process.send_signal(signal_number)
        status = self.process.wait(timeout=LIMIT_S)
        self.process.stdout.close()
        said = self.said()
        self.errors.close()
        return status, said

    def kill(self):
        self.end(signal.SIGKILL)

    def stop(self):
        """An orderly end; whatever else its status says is a failure of the test. What it said on stderr."""
        status, said = self.end(signal.SIGTERM)
        if status != 0:
            raise AssertionError(f"mockbroker ended with {status}: {said}")
        return said

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        if self.process.poll() is None:
            self.stop()


def run(name, *arguments, data=b"", status=0, env=None):
    """Run a program with `data` as input; it must end with `status`. (stdout, stderr), bytes."""
    done = subprocess.run([program(name), *arguments], input=data, capture_output=True, timeout=LIMIT_S,
                          env={**os.environ, **env} if env else None)
    if done.returncode != status:
        raise AssertionError(f"{name} {' '.join(arguments)}\nended with {done.returncode} instead of {status}\n"
                             f"stdout: {done.stdout[:2000]!r}\nstderr: {done.stderr[:4000].decode(errors='replace')}")
    return done.stdout, done.stderr
