"""A headless Chromium that reaches nothing but this machine, over its DevTools protocol; a pytest plugin.

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
from websockets.sync.client import ClientConnection, connect

from support.containers import skip_or_fail

PROGRAMS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
OPTIONS = (
    "--headless",
    "--no-sandbox",  # tests may run as root; the browser opens only pages of services under test
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--window-size=1280,1600",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
    "--remote-debugging-port=0",
)
ANSWER_TIMEOUT = 30.0  # seconds, on a busy machine

# A promise that resolves with the value of the expression as soon as that is truthy.
WAIT = """new Promise((resolve, reject) => {
  const end = Date.now() + %d, look = () => {
    const found = %s;
    if (found) resolve(found);
    else if (Date.now() > end) reject(new Error("timeout"));
    else setTimeout(look, 20);
  };
  look();
})"""


class Page:
    """A tab: `requests` are the URLs it has requested, `complaints` the errors of its console, scripts and network."""

    def __init__(self, connection: ClientConnection) -> None:
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self._connection = connection
        self._count = 0
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.send(f"{domain}.enable")

    def send(self, method: str, **parameters: object) -> dict[str, Any]:
        """Send a command and return its result; events that arrive earlier are recorded."""
        self._count += 1
        self._connection.send(json.dumps({"id": self._count, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._connection.recv(timeout=2 * ANSWER_TIMEOUT))
            if message.get("id") == self._count:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']}")
                result: dict[str, Any] = message["result"]
                return result
            if "method" in message:
                self._observe(message["method"], message["params"])

    def evaluate(self, expression: str) -> Any:  # noqa: ANN401 - any JSON value
        answer = self.send("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(f"{expression}: {answer['exceptionDetails']}, {self.complaints}")
        return answer["result"].get("value")

    def wait_for(self, expression: str) -> Any:  # noqa: ANN401
        return self.evaluate(WAIT % (ANSWER_TIMEOUT * 1000, expression))

    def open(self, url: str) -> None:
        self.send("Page.navigate", url=url)

    def click(self, selector: str) -> None:
        self.wait_for(f"(found => found && (found.click(), 1))(document.querySelector({selector!r}))")

    def type(self, selector: str, text: str) -> None:
        """Replace the content of a field by typing."""
        self.wait_for(f"(found => found && (found.focus(), found.select(), 1))(document.querySelector({selector!r}))")
        self.send("Input.insertText", text=text)

    def text(self, selector: str) -> str:
        """Return the text of the element as soon as it has any."""
        return str(self.wait_for(f"document.querySelector({selector!r})?.innerText.trim()"))

    def take_picture(self, path: Path) -> Path:
        """Save a screenshot of the whole page, including the part outside of the window."""
        area = {**self.send("Page.getLayoutMetrics")["cssContentSize"], "scale": 1}
        data = self.send("Page.captureScreenshot", captureBeyondViewport=True, clip=area)["data"]
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(base64.b64decode(data))
        return path

    def _observe(self, event: str, parameters: dict[str, Any]) -> None:
        if event == "Network.requestWillBeSent" and not parameters["request"]["url"].startswith("data:"):
            self.requests.append(parameters["request"]["url"])
        if event == "Network.responseReceived" and parameters["response"]["status"] >= 400:
            self.complaints.append(f"{parameters['response']['status']} {parameters['response']['url']}")
        logged = event == "Runtime.consoleAPICalled" and parameters["type"] in ("error", "warning", "assert")
        if logged or event in ("Network.loadingFailed", "Runtime.exceptionThrown", "Log.entryAdded"):
            self.complaints.append(f"{event} {parameters}")


@contextmanager
def run_browser(program: str, profile: Path) -> Iterator[str]:
    """Start a browser and yield the address, host and port, of its DevTools."""
    command = [program, *OPTIONS, f"--user-data-dir={profile}"]
    devnull = subprocess.DEVNULL
    process = subprocess.Popen(command, stdout=devnull, stderr=devnull, start_new_session=True)
    try:
        yield f"127.0.0.1:{read_port(process, profile / 'DevToolsActivePort')}"
    finally:
        os.killpg(process.pid, signal.SIGTERM)  # the program may be a script that runs the browser as its child
        process.wait()


def read_port(process: subprocess.Popen[bytes], file: Path) -> str:
    deadline = time.monotonic() + ANSWER_TIMEOUT
    while time.monotonic() < deadline and process.poll() is None:
        if file.exists() and "\n" in (text := file.read_text()):
            return text.splitlines()[0]
        time.sleep(0.02)
    raise RuntimeError("The browser has not started")


@pytest.fixture(name="devtools", scope="session")
def _devtools(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        skip_or_fail(f"NO CHROMIUM ({', '.join(PROGRAMS)}): /docs is not tested in a browser")
    with run_browser(program, tmp_path_factory.mktemp("chromium")) as address:
        yield address


@pytest.fixture(name="page")
def _page(devtools: str) -> Iterator[Page]:
    """A new tab."""
    tab = httpx.put(f"http://{devtools}/json/new?about:blank", trust_env=False, timeout=2 * ANSWER_TIMEOUT).json()
    with connect(tab["webSocketDebuggerUrl"], proxy=None, max_size=None) as connection:
        yield Page(connection)
    httpx.get(f"http://{devtools}/json/close/{tab['id']}", trust_env=False, timeout=2 * ANSWER_TIMEOUT)
