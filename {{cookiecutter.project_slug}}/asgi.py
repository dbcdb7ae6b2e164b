"""`app` for an ASGI server: hypercorn asgi:app --config hypercorn.toml"""

from src.worker import fail_with_master

fail_with_master()  # before anything that can fail

from src.app import app as app  # noqa: E402
