"""A PostgreSQL that starts, stops and dies as the lines of stdin say; it ends with this script."""

import sys
from pathlib import Path

import psutil  # type: ignore[import-untyped]
from chassis.dev.postgres import PostgresServer


class Server(PostgresServer):
    def kill(self) -> None:
        postmaster = psutil.Process(int((self.data / "postmaster.pid").read_text().split()[0]))
        postmaster.suspend()  # so that it starts no more children
        processes = [postmaster, *postmaster.children()]
        postmaster.kill()
        _, alive = psutil.wait_procs(processes, timeout=60)  # the next server needs their shared memory
        if alive:
            raise TimeoutError(alive)


server = Server(Path(sys.argv[1]), durable=sys.argv[2] == "durable")
try:
    for line in sys.stdin:
        getattr(server, line.strip())()
        print(server.uri if server.running else "stopped", flush=True)
finally:
    server.stop()
