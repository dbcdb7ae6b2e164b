"""A real PgBouncer with the configuration of docs/scaling-out.md, in front of a PostgreSQL under test."""

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

from support.containers import skip_or_fail
from support.pages import blocks
from support.ports import free_port
from support.service import START_TIMEOUT
from support.template import ROOT

QUERY_PARAMETER = "?pgbouncer=true"
USERS = '"service" "password"'  # a line that the page shows
PAGE = ROOT / "docs" / "scaling-out.md"
# Keeps PgBouncer from writing outside of its folder.
TEST_SETTINGS = "unix_socket_dir =\nlogfile =\n"


def fragment(name: str) -> str:
    """The block of the page that contains this name."""
    (text,) = [block.text for block in blocks(PAGE) if name in block.text]
    return text


def address(port: int) -> str:
    """The URI that the page shows, with the port of the PgBouncer under test."""
    return fragment(QUERY_PARAMETER).strip().split("'")[1].replace(":6432", f":{port}")


def configuration(server: str, port: int, changes: Mapping[str, str]) -> str:
    """The configuration of the page with `changes`, the port, and the database at `server`, a URI over TCP."""
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
    return "\n".join([*lines, TEST_SETTINGS])


@contextmanager
def run_pgbouncer(server: str, **changes: str) -> Iterator[str]:
    """Run PgBouncer and yield the URI that the page shows for services behind it."""
    program, port = find_program(), free_port()
    with TemporaryDirectory() as folder:
        write(Path(folder), "pgbouncer.ini", configuration(server, port, changes))
        write(Path(folder), "userlist.txt", USERS)
        user = ["--user", "nobody"] if os.geteuid() == 0 else []  # it refuses to run as root
        with subprocess.Popen([program, "--quiet", *user, "pgbouncer.ini"], cwd=folder) as process:
            try:
                wait_for(port)
                yield address(port)
            finally:
                process.terminate()


def find_program() -> str:
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        skip_or_fail("NO PGBOUNCER HERE: services behind one are not tested")
    return program


def version() -> str:
    return subprocess.run(
        [find_program(), "--version"], capture_output=True, text=True, check=True
    ).stdout.splitlines()[0]


def write(folder: Path, name: str, text: str) -> None:
    """Write a file that the user `nobody` can read, too."""
    folder.chmod(0o755)
    (folder / name).write_text(text, encoding="utf-8")


def wait_for(port: int) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline:
        try:
            create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            time.sleep(0.01)
        else:
            return
    raise TimeoutError("PgBouncer does not listen")
