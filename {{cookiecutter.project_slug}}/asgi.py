"""`app` for an ASGI server: hypercorn asgi:app --config hypercorn.toml"""

from src.app import app as app
