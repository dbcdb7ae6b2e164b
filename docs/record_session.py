"""Records a terminal session, from generating a service to using an entity, in docs/images/session.svg.

usage: python docs/record_session.py
"""

import os
import pty
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "docs" / "images" / "session.svg"
WIDTH = 108  # columns
GENERATE = "cookiecutter --no-input path/to/this/repository"
ENTITY = "quart generate entity book 'title:string{200}:unique' 'published:date?:filter:sort'"
CREATE = """curl http://127.0.0.1:7000/v1/book -H 'Content-Type: application/json' -d '{"title": "Emma"}'"""
LIST = "curl 'http://127.0.0.1:7000/v1/book?sort=-published&published__isnull=true'"
TESTS = re.compile(r"=+ .*passed.*=+")


class Session:
    """Runs commands in a terminal of its own, and keeps them with what they print."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.port = str(port)
        self.console = Console(record=True, width=WIDTH, file=StringIO(), force_terminal=True)

    def type(self, command: str, actual: str | None = None, *, only: re.Pattern[str] | None = None) -> None:
        """Run a command, or `actual` in its place, and show the lines of its output that match `only`."""
        self.console.print(Text.assemble(("$ ", "bold green"), (command, "bold")))
        output = self.run((actual or command).replace("7000", self.port)).replace(self.port, "7000")
        shown = [line for line in output.splitlines() if line.strip() and (only is None or only.search(line))]
        for line in shown:
            self.console.print(Text.from_ansi(line), overflow="fold")
        self.console.print()

    def run(self, command: str) -> str:
        main, terminal = pty.openpty()
        with subprocess.Popen(["bash", "-c", command], cwd=self.folder, stdout=terminal, stderr=terminal) as process:
            os.close(terminal)
            output = b"".join(read_all(main))
        if process.returncode:
            sys.exit(f"{command}\n{output.decode()}")
        return output.decode()


def read_all(file: int) -> Iterator[bytes]:
    try:
        while chunk := os.read(file, 65536):
            yield chunk
    except OSError:  # Linux reports the end of a terminal as an error
        os.close(file)


@contextmanager
def serve(session: Session) -> Iterator[None]:
    command = ["make", "run", f"PORT={session.port}"]
    with subprocess.Popen(command, cwd=session.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as service:
        try:
            wait_until_it_serves(int(session.port))
            yield
        finally:
            service.terminate()


def wait_until_it_serves(port: int) -> None:
    for _ in range(600):
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    sys.exit("make run does not serve")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def record(session: Session) -> None:
    session.type(GENERATE, f"{ROOT}/.venv/bin/cookiecutter --no-input --default-config {ROOT}", only=re.compile(r"\S"))
    session.folder /= "my-service"
    session.type("cd my-service && make install", "make install")
    os.environ["PATH"] = f"{session.folder}/.venv/bin{os.pathsep}{os.environ['PATH']}"
    session.type(ENTITY)
    session.console.print(Text.assemble(("$ ", "bold green"), ("make run &\n", "bold")))
    with serve(session):
        session.type(CREATE, CREATE.replace("curl", "curl --silent", 1))
        session.type(LIST, LIST.replace("curl", "curl --silent", 1))
    session.type("make test", "TEST_DATABASE=embedded make test", only=TESTS)


def main() -> None:
    for variable in ("MAKEFLAGS", "MAKELEVEL"):  # of `make picture`; with them, make in the session prints its folder
        os.environ.pop(variable, None)
    with tempfile.TemporaryDirectory() as folder:
        session = Session(Path(folder), free_port())
        record(session)
    picture = session.console.export_svg(title="A service and its first entity")
    picture = re.sub(
        r"@font-face \{.*?\}\n", "", picture, flags=re.DOTALL
    )  # fonts that a browser would load from elsewhere
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_text(picture, encoding="utf-8")


if __name__ == "__main__":
    main()
