"""Prepares the server; imports nothing of the service, so that nothing fails before it."""

import multiprocessing
import sys


def is_hypercorn() -> bool:
    """Return True if Hypercorn imports the application; Quart imports Hypercorn too, so ask before it does."""
    return "hypercorn" in sys.modules


def refuse_worker_processes() -> None:
    """Exit if this is a worker process of Hypercorn, which supervises none of them.

    With `workers` above 0 Hypercorn 0.18 cuts requests in flight on SIGTERM and replaces no worker that has died.
    """
    if is_hypercorn() and multiprocessing.parent_process() is not None:
        sys.exit(
            "Error: this service does not run in worker processes of Hypercorn: set workers = 0, "
            "and run more instances to use more cores, see docs/scaling-out.md of the template."
        )


def harden_server() -> None:
    """Protect Hypercorn, if it is the server, from clients that misuse their connections."""
    if is_hypercorn():
        from chassis.runtime.hypercorn import harden  # other servers need not be able to import it

        harden()
