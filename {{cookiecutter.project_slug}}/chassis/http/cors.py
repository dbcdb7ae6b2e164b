"""Browsers may call the service only from the origins that a setting names."""

from collections.abc import Sequence

from quart import Quart
from quart_cors import cors

EXPOSED_HEADERS = ("ETag", "Retry-After", "X-Maintenance-Mode", "X-Request-ID")


def register_cors(app: Quart, origins: Sequence[str]) -> None:
    if origins:
        cors(
            app,
            allow_origin=origins,
            allow_headers=["Content-Type", "Authorization", "X-Request-ID"],
            expose_headers=EXPOSED_HEADERS,
        )
