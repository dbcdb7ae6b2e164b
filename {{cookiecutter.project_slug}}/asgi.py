"""`app` for an ASGI server: hypercorn asgi:app --config hypercorn.toml"""

from chassis.runtime.server import refuse_worker_processes

refuse_worker_processes()

from src.app import app as app  # noqa: E402
