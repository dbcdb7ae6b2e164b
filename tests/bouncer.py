"""A real PgBouncer, configured as docs/scaling-out.md says, in front of a test's PostgreSQL.

PYTEST_DONT_REWRITE, for it is imported before it is a plugin, and asserts nothing.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from socket import create_connection
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

from conftest import ROOT
from engine import refuse
from pages import blocks
from service import TO_START, free_port

MARK = "?pgbouncer=true"
USERS = '"service" "password"'  # as the page says
PAGE = ROOT / "docs" / "scaling-out.md"
# Quiet, and nothing outside of its folder.
OF_TESTS = "unix_socket_dir =\nlogfile =\n"


def fragment(name: str) -> str:
    """The code of the page that has this name in it."""
    (text,) = [block.text for block in blocks(PAGE) if name in block.text]
    return text


def address(port: int) -> str:
    """The URI of the page, where this test's PgBouncer listens."""
    return fragment(MARK).strip().split("'")[1].replace(":6432", f":{port}")


def configuration(server: str, port: int, changes: Mapping[str, str]) -> str:
    """`server` is a URI over TCP; changed is only where things are, and what `changes` names."""
    parts = urlsplit(server)
    changes = {
        "service": f"host={parts.hostname} port={parts.port} dbname={parts.path[1:]}",
        "listen_port": str(port),
        **changes,
    }
    names = [line.split(" = ")[0] for line in fragment("[pgbouncer]").splitlines()]
    if missing := set(changes) - set(names):
        raise KeyError(*missing)
    lines = [
        f"{name} = {changes[name]}" if name in changes else line
        for name, line in zip(names, fragment("[pgbouncer]").splitlines(), strict=True)
    ]
    return "\n".join([*lines, OF_TESTS])


@contextmanager
def pgbouncer(server: str, **changes: str) -> Iterator[str]:
    """The URI that leads through it, as the page has it."""
    program, port = installed(), free_port()
    with TemporaryDirectory() as folder:
        write(Path(folder), "pgbouncer.ini", configuration(server, port, changes))
        write(Path(folder), "userlist.txt", USERS)
        user = ["--user", "nobody"] if os.geteuid() == 0 else []  # it refuses to be root
        with subprocess.Popen([program, "--quiet", *user, "pgbouncer.ini"], cwd=folder) as process:
            try:
                wait_for(port)
                yield address(port)
            finally:
                process.terminate()


def installed() -> str:
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        refuse("NO PGBOUNCER IS INSTALLED: nothing is tested through one")
    return str(program)


def version() -> str:
    return subprocess.run([installed(), "--version"], capture_output=True, text=True, check=True).stdout.splitlines()[0]


def write(folder: Path, name: str, text: str) -> None:
    """For the user that PgBouncer becomes, too."""
    folder.chmod(0o755)
    (folder / name).write_text(text, encoding="utf-8")


def wait_for(port: int) -> None:
    deadline = time.monotonic() + TO_START
    while time.monotonic() < deadline:
        try:
            create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            time.sleep(0.01)
        else:
            return
    msg = "PgBouncer does not listen"
    raise TimeoutError(msg)
