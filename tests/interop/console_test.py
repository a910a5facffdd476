"""The console in a real browser: headless Chromium shows the page that mockbroker serves, and its buttons do what they say.

Chromium is steered through its pipe (--remote-debugging-pipe: JSON messages that end in a NUL), so nothing but the browser is needed.
"""
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
import unittest
import urllib.request

from common import Mockbroker, OnMockbroker, program, run

LIMIT_S = 60  # of one wait; a condition that holds ends it at once
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--remote-debugging-pipe"]


class Browser:
    """One page of one Chromium; use as a context manager."""

    def __init__(self, url):
        self.folder = tempfile.mkdtemp()
        to_browser, self.out = os.pipe()
        self.input, from_browser = os.pipe()
        ours = [os.dup2(to_browser, 60), os.dup2(from_browser, 61)]  # far from 3 and 4, which they become in the child

        def in_child():
            os.dup2(60, 3)
            os.dup2(61, 4)

        self.process = subprocess.Popen([shutil.which("chromium"), *FLAGS, f"--user-data-dir={self.folder}", "about:blank"], preexec_fn=in_child, close_fds=False,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for fd in (to_browser, from_browser, *ours):
            os.close(fd)
        self.last, self.rest = 0, b""
        page = next(t for t in self.call("Target.getTargets")["targetInfos"] if t["type"] == "page")
        self.session = self.call("Target.attachToTarget", targetId=page["targetId"], flatten=True)["sessionId"]
        self.requested = []
        self.call("Network.enable")
        self.call("Page.enable")
        self.loaded = False
        self.call("Page.navigate", url=url)
        while not self.loaded:
            self.note(self.message())

    session = None

    def note(self, message):
        if message.get("method") == "Network.requestWillBeSent":
            self.requested.append(message["params"]["request"]["url"])
        if message.get("method") == "Page.loadEventFired":
            self.loaded = True

    def message(self):
        while b"\0" not in self.rest:
            got = os.read(self.input, 1 << 16)
            if not got:
                raise AssertionError("Chromium ended")
            self.rest += got
        text, self.rest = self.rest.split(b"\0", 1)
        return json.loads(text)

    def call(self, method, **params):
        self.last += 1
        request = {"id": self.last, "method": method, "params": params}
        if self.session:
            request["sessionId"] = self.session
        os.write(self.out, json.dumps(request).encode() + b"\0")
        while True:
            message = self.message()
            self.note(message)
            if message.get("id") == self.last:
                if "error" in message:
                    raise AssertionError(f"{method}: {message['error']}")
                return message["result"]

    def value(self, expression):
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            raise AssertionError(f"{expression}: {result['exceptionDetails']}")
        return result["result"].get("value")

    def wait(self, expression):
        """Until the expression is true in the page."""
        end = time.monotonic() + LIMIT_S
        while not self.value(expression):
            if time.monotonic() > end:
                raise AssertionError(f"{expression} did not become true; the page says:\n{self.value('document.body.innerText')}")
            self.value("new Promise(resolve => setTimeout(resolve, 50))")  # the page's own turn

    def text(self, selector):
        return self.value(f"document.querySelector({json.dumps(selector)}).innerText")

    def click(self, selector, label):
        """The first button with that label below the selector, once it is there."""
        find = f"[...document.querySelectorAll({json.dumps(selector + ' button')})].find(b => b.textContent === {json.dumps(label)})"
        self.wait(f"!!{find}")
        self.value(f"{find}.click()")

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.process.kill()
        self.process.wait()
        os.close(self.input)
        os.close(self.out)
        shutil.rmtree(self.folder, ignore_errors=True)


@unittest.skipUnless(shutil.which("chromium"), "needs chromium")
class ConsoleTest(OnMockbroker):
    def setUp(self):
        self.cluster = Mockbroker("--topic", "orders:2:3")
        self.addCleanup(self.cluster.__exit__)

    def ask(self, method, path, body=None):
        request = urllib.request.Request(self.cluster.about["control"] + path, method=method, data=json.dumps(body).encode() if body is not None else None)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def browser(self):
        return Browser(self.cluster.about["control"] + "/")

    def test_the_page_shows_the_cluster_and_asks_nobody_else(self):
        run([program("kc"), "produce", "-b", self.cluster.bootstrap, "-t", "orders"], text="one\ntwo\n")
        run([program("kc"), "consume", "-b", self.cluster.bootstrap, "-t", "orders", "-g", "readers", "-o", "beginning", "-c", "1"])
        with self.browser() as page:
            page.wait("document.body.dataset.ready === 'yes'")
            self.assertEqual(page.text("#cluster"), self.ask("GET", "/v1/cluster")["cluster_id"])
            self.assertEqual(len(re.findall("running", page.text("#brokers"))), 3)
            page.wait("document.querySelector('#topics').innerText.includes('orders')")
            page.value("document.querySelector('#topics details').open = true")
            page.wait("document.querySelectorAll('#topics .r').length === 6")
            page.wait("document.querySelector('#groups').innerText.includes('readers')")
            page.value("document.querySelector('#groups details').open = true")
            page.wait("document.querySelector('#groups').innerText.includes('lag 1')")
            self.assertEqual([url for url in page.requested if not url.startswith(self.cluster.about["control"])], [])

    def test_brokers_are_stopped_paused_and_started(self):
        with self.browser() as page:
            page.click("#brokers tr:nth-child(3)", "pause")
            page.wait("document.querySelector('#brokers tr:nth-child(3)').innerText.includes('paused')")
            self.assertEqual(self.ask("GET", "/v1/cluster")["brokers"][1]["state"], "paused")
            page.click("#brokers tr:nth-child(3)", "resume")
            page.wait("document.querySelector('#brokers tr:nth-child(3)').innerText.includes('running')")
            page.click("#brokers tr:nth-child(2)", "kill")
            page.wait("document.querySelector('#brokers tr:nth-child(2)').innerText.includes('stopped')")
            page.wait("document.querySelector('#message').innerText === 'kill: done'")
            page.click("#brokers tr:nth-child(2)", "start")
            page.wait("document.querySelector('#brokers tr:nth-child(2)').innerText.includes('running')")

    def test_faults_have_switches_and_count(self):
        with self.browser() as page:
            page.wait("document.body.dataset.ready === 'yes'")
            page.value("document.querySelector('#fault').value = 'nonsense'")
            page.click("body", "arm")
            page.wait("document.querySelector('#message').className === 'bad'")
            page.value("document.querySelector('#fault').value = JSON.stringify({match: {api: 'Metadata'}, action: {type: 'delay', ms: 1}})")
            page.click("body", "arm")
            page.wait("document.querySelector('#message').innerText === 'armed: fault 1'")
            page.click("#faults", "off")
            page.wait("document.querySelector('#faults button').innerText === 'on'")
            run([program("kc"), "topic", "list", "-b", self.cluster.bootstrap])
            self.assertEqual(self.ask("GET", "/v1/faults/1")["hits"], 0)
            page.click("#faults", "on")
            page.wait("document.querySelector('#faults button').innerText === 'off'")
            run([program("kc"), "topic", "list", "-b", self.cluster.bootstrap])
            self.assertGreater(self.ask("GET", "/v1/faults/1")["hits"], 0)
            page.click("#faults", "remove")
            page.wait("document.querySelector('#faults').innerText === 'none'")

    def test_requests_are_recorded_and_names_stay_text(self):
        with self.browser() as page:
            page.wait("document.body.dataset.ready === 'yes'")
            page.value("document.querySelector('#journal').click()")
            page.wait("document.querySelector('#journal').innerText === 'stop recording'")
            run([program("kc"), "topic", "list", "-b", self.cluster.bootstrap, "-X", "client.id=<img src=x onerror=document.title='broken'>"])
            page.wait("document.querySelector('#requests').innerText.includes('Metadata')")
            page.wait("document.querySelector('#requests').innerText.includes('<img')")
            self.assertEqual(page.value("document.title"), "mockbroker")


if __name__ == "__main__":
    unittest.main()
