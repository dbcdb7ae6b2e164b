"""PostgreSQL from a wheel, for development and tests without Docker; the service itself never starts a database.

usage: python -m chassis.dev.postgres start|stop|status
       python -m chassis.dev.postgres run -- COMMAND ...         with the configured database, else with the project's
       python -m chassis.dev.postgres temporary -- COMMAND ...   with an empty database that is removed afterwards

`start` and `run` keep their data in .postgres/. COMMAND finds the database in SQLALCHEMY_DATABASE_URI.
`run` and `temporary` exit with the code of COMMAND, `status` with 0 if the server is running and with 3 if it is not.
"""

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode

import fasteners  # type: ignore[import-untyped]  # comes with the wheel, as does psutil
import psutil  # type: ignore[import-untyped]

from chassis.cli.child_process import ChildProcess
from chassis.dev.postgres_wheel import (
    NO_WINDOW,
    PostgresError,
    execute,
    give_away,
    listen_options,
    remove_socket_directory,
)
from chassis.domain.exceptions import ConfigurationError
from chassis.runtime.env_file import check_env_file, read_env_file

ROOT = Path(__file__).resolve().parents[2]
VARIABLE = "SQLALCHEMY_DATABASE_URI"
LOCALE = ("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")


class PostgresServer:
    """Runs PostgreSQL on the data in `directory` until `stop` is called, which another process may do.

    With `durable=False` it is faster, and may lose its data when the machine crashes.
    """

    def __init__(self, directory: Path, *, durable: bool = True) -> None:
        self.directory = directory.resolve()
        self.data = self.directory / "data"
        self.log = self.directory / "log"
        self.durable = durable
        self._pid_file = self.data / "postmaster.pid"

    @classmethod
    @contextmanager
    def temporary(cls) -> Iterator["PostgresServer"]:
        """Start an empty server; remove it and its data at the end."""
        with tempfile.TemporaryDirectory(prefix="postgres-", ignore_cleanup_errors=True) as directory:
            server = cls(Path(directory), durable=False)
            with server.started("--remove"):
                yield server

    @property
    def running(self) -> bool:
        """Return whether the process of the pid file serves these data; after a crash it may be another program."""
        try:
            process = psutil.Process(int(self._pid_file.read_text().split()[0]))
            return self.data.as_posix() in process.cmdline()
        except (FileNotFoundError, IndexError, ValueError, psutil.Error):
            return False

    @property
    def uri(self) -> str:
        """Return the URI for SQLAlchemy; the server must be running."""
        lines = self._pid_file.read_text().splitlines()
        address = urlencode({"host": lines[4] or lines[5], "port": lines[3]}, safe="/")
        return f"postgresql+asyncpg://postgres@/postgres?{address}"

    def start(self) -> None:
        """Create the data if they do not exist; return when the server answers."""
        self.directory.mkdir(parents=True, exist_ok=True)
        with fasteners.InterProcessLock(self.directory / "lock"):  # two starts at once would use the same files
            if not self.running:
                self._start()

    def _start(self) -> None:
        if not self.data.exists():
            self._create_data()
        self._pid_file.unlink(missing_ok=True)  # a server that crashed left it
        self.log.unlink(missing_ok=True)
        options = [*listen_options(self.data), *(() if self.durable else ("-c", "fsync=off"))]
        files = ("-D", str(self.data), "-l", str(self.log))
        execute("pg_ctl", "start", "-w", *files, "-o", shlex.join(options), log=self.log)

    def stop(self) -> None:
        """End open connections; return when the server has stopped."""
        if self.running:
            execute("pg_ctl", "stop", "-w", "-D", str(self.data), "-m", "fast", log=self.log)
            remove_socket_directory(self.data)

    @contextmanager
    def started(self, *guard_options: str) -> Iterator[None]:
        """Run the server inside the block; one that was running before continues to run.

        If this process is killed, its end of a pipe closes, and a guard process that waits for that stops the server.
        """
        if self.running:
            yield
            return
        guard = [sys.executable, "-m", "chassis.dev.postgres", "guard", *guard_options, str(self.directory)]
        with subprocess.Popen(guard, cwd=ROOT, stdin=subprocess.PIPE, start_new_session=True, creationflags=NO_WINDOW):
            try:
                self.start()
                yield
            finally:
                self.stop()

    def _create_data(self) -> None:
        """Create the data under another name first: an interrupted initdb leaves nothing that looks like data."""
        new = self.directory / "data.new"
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(mode=0o700, parents=True)
        give_away(new)
        options = (*LOCALE, *(() if self.durable else ("--no-sync",)))
        execute("initdb", "-D", str(new), "-U", "postgres", "--auth=trust", *options)
        new.rename(self.data)


@contextmanager
def temporary_server() -> Iterator[str]:
    """Give the URI of an empty server that is removed at the end; several can run at once."""
    with PostgresServer.temporary() as server:
        yield server.uri


def configured_uri() -> str | None:
    """Return the URI of the environment, else that of `.env`; an empty one counts as none."""
    check_env_file(ROOT / ".env")
    return os.environ.get(VARIABLE) or read_env_file(ROOT / ".env").get(VARIABLE) or None


def main(arguments: Sequence[str]) -> int:
    server = PostgresServer(ROOT / ".postgres")
    match arguments:
        case ["start"]:
            server.start()
            print(f"export {VARIABLE}={shlex.quote(server.uri)}")
        case ["stop"]:
            server.stop()
        case ["status"]:
            print(f"PostgreSQL is {'running' if server.running else 'stopped'}, data in {server.data}")
            return 0 if server.running else 3
        case ["run", "--", *words] if words:
            return _run(words, server)
        case ["temporary", "--", *words] if words:
            with ChildProcess(words) as child, temporary_server() as uri:
                return child.run({VARIABLE: uri})
        case ["guard", *options, directory]:
            sys.stdin.read()
            PostgresServer(Path(directory)).stop()
            if options == ["--remove"]:
                shutil.rmtree(directory, ignore_errors=True)
        case _:
            sys.exit((__doc__ or "").partition("\n\n")[2].rstrip())
    return 0


def _run(words: Sequence[str], server: PostgresServer) -> int:
    with ChildProcess(words) as child:
        if uri := configured_uri():
            return child.run({VARIABLE: uri})
        print(f"{VARIABLE} is not set: PostgreSQL comes from the wheel, data in {server.data}", file=sys.stderr)
        with server.started():
            return child.run({VARIABLE: server.uri})


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (PostgresError, ConfigurationError) as error:
        sys.exit(str(error))
    except OSError as error:
        sys.exit(f"{error.filename}: {error.strerror}.")
    except KeyboardInterrupt:
        sys.exit(130)
