"""Browsers of other origins get in only where a setting says so."""

from quart import Quart
from quart_cors import cors

from src.api.maintenance_gate import EXPOSED_HEADERS
from src.config import Config


def register_cors(app: Quart, config: Config) -> None:
    if config.CORS_ORIGINS:
        cors(
            app,
            allow_origin=config.CORS_ORIGINS,
            allow_headers=["Content-Type", "Authorization", "X-Request-ID"],
            expose_headers=EXPOSED_HEADERS,
        )
