"""Refuses to run where requests would be lost; imports nothing of the service, so that nothing fails before it."""

import multiprocessing
import sys


def refuse_worker_processes() -> None:
    """Exit if this is a worker process of Hypercorn, which supervises none of them.

    With `workers` above 0 Hypercorn 0.18 cuts requests in flight on SIGTERM and replaces no worker that has died.
    """
    if "hypercorn" in sys.modules and multiprocessing.parent_process() is not None:
        sys.exit(
            "Error: this service does not run in worker processes of Hypercorn: set workers = 0, "
            "and run more instances to use more cores, see docs/scaling-out.md of the template."
        )
