"""A headless Chromium that reaches nothing but this machine, over its DevTools protocol; a pytest plugin.

PYTEST_DONT_REWRITE, for it is imported before it is a plugin, and asserts nothing.
Protocol: https://chromedevtools.github.io/devtools-protocol/
"""

import base64
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from engine import refuse
from websockets.sync.client import ClientConnection, connect

PROGRAMS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
OPTIONS = (
    "--headless",
    "--no-sandbox",  # tests may run as root, and open nothing but what they serve themselves
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--window-size=1280,1600",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
    "--remote-debugging-port=0",
)
TO_ANSWER = 30.0  # seconds, on a machine that does much else

# Resolves with what the expression is once it is true.
WAIT = """new Promise((resolve, reject) => {
  const end = Date.now() + %d, look = () => {
    const found = %s;
    if (found) resolve(found);
    else if (Date.now() > end) reject(new Error("in vain"));
    else setTimeout(look, 20);
  };
  look();
})"""


class Page:
    """A tab: `requests` are the URLs it asked for, `complaints` the errors of its console, scripts and network."""

    def __init__(self, connection: ClientConnection) -> None:
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self._connection = connection
        self._count = 0
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.send(f"{domain}.enable")

    def send(self, method: str, **parameters: object) -> dict[str, Any]:
        """Returns the answer; events that come before it are noted."""
        self._count += 1
        self._connection.send(json.dumps({"id": self._count, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._connection.recv(timeout=2 * TO_ANSWER))
            if message.get("id") == self._count:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']}")
                result: dict[str, Any] = message["result"]
                return result
            if "method" in message:
                self._observe(message["method"], message["params"])

    def evaluate(self, expression: str) -> Any:  # noqa: ANN401 - whatever JSON there is
        answer = self.send("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(f"{expression}: {answer['exceptionDetails']}, {self.complaints}")
        return answer["result"].get("value")

    def wait_for(self, expression: str) -> Any:  # noqa: ANN401
        return self.evaluate(WAIT % (TO_ANSWER * 1000, expression))

    def open(self, url: str) -> None:
        self.send("Page.navigate", url=url)

    def click(self, selector: str) -> None:
        self.wait_for(f"(found => found && (found.click(), 1))(document.querySelector({selector!r}))")

    def type(self, selector: str, text: str) -> None:
        """Replaces what the field holds, by way of the keyboard."""
        self.wait_for(f"(found => found && (found.focus(), found.select(), 1))(document.querySelector({selector!r}))")
        self.send("Input.insertText", text=text)

    def text(self, selector: str) -> str:
        """What is written there, as soon as something is."""
        return str(self.wait_for(f"document.querySelector({selector!r})?.innerText.trim()"))

    def take_picture(self, path: Path) -> Path:
        """Of all that can be scrolled to."""
        area = {**self.send("Page.getLayoutMetrics")["cssContentSize"], "scale": 1}
        data = self.send("Page.captureScreenshot", captureBeyondViewport=True, clip=area)["data"]
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(base64.b64decode(data))
        return path

    def _observe(self, event: str, told: dict[str, Any]) -> None:
        if event == "Network.requestWillBeSent" and not told["request"]["url"].startswith("data:"):
            self.requests.append(told["request"]["url"])
        if event == "Network.responseReceived" and told["response"]["status"] >= 400:
            self.complaints.append(f"{told['response']['status']} {told['response']['url']}")
        logged = event == "Runtime.consoleAPICalled" and told["type"] in ("error", "warning", "assert")
        if logged or event in ("Network.loadingFailed", "Runtime.exceptionThrown", "Log.entryAdded"):
            self.complaints.append(f"{event} {told}")


@contextmanager
def running(program: str, profile: Path) -> Iterator[str]:
    """The address, host and port, where the DevTools of a new browser answer."""
    command = [program, *OPTIONS, f"--user-data-dir={profile}"]
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(command, stdout=quiet, stderr=quiet, start_new_session=True)
    try:
        yield f"127.0.0.1:{_port(process, profile / 'DevToolsActivePort')}"
    finally:
        os.killpg(process.pid, signal.SIGTERM)  # the program may be a script that waits for another one
        process.wait()


def _port(process: subprocess.Popen[bytes], file: Path) -> str:
    deadline = time.monotonic() + TO_ANSWER
    while time.monotonic() < deadline and process.poll() is None:
        if file.exists() and "\n" in (text := file.read_text()):
            return text.splitlines()[0]
        time.sleep(0.02)
    raise RuntimeError("The browser does not start")


@pytest.fixture(name="devtools", scope="session")
def _devtools(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        refuse(f"NO CHROMIUM ({', '.join(PROGRAMS)}): nobody looks at /docs")
        return
    with running(program, tmp_path_factory.mktemp("chromium")) as address:
        yield address


@pytest.fixture(name="page")
def _page(devtools: str) -> Iterator[Page]:
    """A new tab."""
    tab = httpx.put(f"http://{devtools}/json/new?about:blank", trust_env=False, timeout=2 * TO_ANSWER).json()
    with connect(tab["webSocketDebuggerUrl"], proxy=None, max_size=None) as connection:
        yield Page(connection)
    httpx.get(f"http://{devtools}/json/close/{tab['id']}", trust_env=False, timeout=2 * TO_ANSWER)
