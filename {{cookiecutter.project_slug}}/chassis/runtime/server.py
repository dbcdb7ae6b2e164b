"""Prepares the server; imports nothing of the service, so that nothing fails before it."""

import multiprocessing
import sys
import tomllib
from argparse import ArgumentParser
from pathlib import Path


def is_hypercorn() -> bool:
    """Return True if Hypercorn imports the application; Quart imports Hypercorn too, so ask before it does."""
    return "hypercorn" in sys.modules


def refuse_worker_processes() -> None:
    """Exit if Hypercorn runs several worker processes, which it does not supervise.

    With `workers` above 1 Hypercorn 0.18 cuts requests in flight on SIGTERM and replaces no worker that has died.
    One worker is what `hypercorn asgi:app` starts by default; `hypercorn.toml` has none.
    """
    is_worker = is_hypercorn() and multiprocessing.parent_process() is not None
    if is_worker and _count_workers(sys.argv[1:]) > 1:
        sys.exit(
            "Error: this service does not run in several worker processes of Hypercorn: set workers = 0, "
            "and run more instances to use more cores, see docs/scaling-out.md of the template."
        )


def harden_server() -> None:
    """Protect Hypercorn, if it is the server, from clients that misuse their connections."""
    if is_hypercorn():
        from chassis.runtime.hypercorn import harden  # other servers need not be able to import it

        harden()


def _count_workers(arguments: list[str]) -> int:
    """Read the command line of Hypercorn, which its workers inherit, and the TOML file that it names."""
    parser = ArgumentParser(add_help=False, exit_on_error=False)
    parser.add_argument("-w", "--workers", type=int)
    parser.add_argument("-c", "--config", default="")
    options, _ = parser.parse_known_args(arguments)
    if options.workers is not None:
        return int(options.workers)
    file = Path(options.config)
    settings = tomllib.loads(file.read_text(encoding="utf-8")) if file.suffix == ".toml" and file.is_file() else {}
    return int(settings.get("workers", 1))
