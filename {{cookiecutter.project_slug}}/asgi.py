"""`app` for an ASGI server: hypercorn asgi:app --config hypercorn.toml"""

from chassis.runtime.server import harden_server, refuse_worker_processes

refuse_worker_processes()
harden_server()

from src.app import app as app  # noqa: E402
