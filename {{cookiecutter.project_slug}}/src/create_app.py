"""How this service is put together: read it as its table of contents."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from http import HTTPStatus

import click

from chassis.app import (
    ChassisApp,
    access_log,
    add_middleware,
    chassis_lifespan,
    maintenance_gate,
    register_commands,
    register_lifespan,
    register_views,
    trusted_hosts,
)
from chassis.domain.exceptions import DomainError
from chassis.http.asgi import Middleware
from chassis.http.cors import register_cors
from chassis.http.errors import register_error_handlers
from chassis.http.malformed_requests import MalformedRequestMiddleware
from chassis.http.prefix import ServicePrefixMiddleware
from chassis.http.proxy_headers import ProxyHeadersMiddleware
from chassis.http.request_log import RequestLogMiddleware
from chassis.http.security_headers import SecurityHeadersMiddleware
from chassis.http.unread_bodies import UnreadBodyMiddleware
from src.api import controllers
from src.config import Config
from src.dependency_container import DependencyContainer

# The HTTP status of each error class of this service; a class without an entry has the status of its base class.
STATUS_OF_ERROR: dict[type[DomainError], HTTPStatus] = {}


class App(ChassisApp):
    container: DependencyContainer


def create_app(config: Config) -> App:
    """Make the application; nothing reads the environment, and nothing connects before it starts serving."""
    app = App("src", config, DependencyContainer(config=config))
    register_cors(app, config.CORS_ORIGINS)
    register_error_handlers(app, STATUS_OF_ERROR)
    register_views(app, config, controllers)
    register_commands(app, config, commands(app))
    register_extensions(app)
    add_middleware(app, middleware(app, config))
    register_lifespan(app, config, partial(lifespan, app))
    return app


def register_extensions(app: App) -> None:
    """Extensions of Quart go here, for instance `QuartAuth(app)`."""


def commands(app: App) -> Sequence[click.Command]:
    """Return the commands that this service adds to `quart`; with `cls=AsyncCommand` a command may be a coroutine."""
    return []


def middleware(app: App, config: Config) -> Sequence[Middleware]:
    """Return the ASGI middleware from the outside in: the first one sees a request first."""
    return [
        partial(ProxyHeadersMiddleware, hops=config.PROXY_HOPS),
        partial(RequestLogMiddleware, log=access_log(config)),
        SecurityHeadersMiddleware,
        partial(MalformedRequestMiddleware, origins=config.CORS_ORIGINS),
        trusted_hosts(config),
        maintenance_gate(app, config),
        partial(ServicePrefixMiddleware, prefix=config.served_prefix, origins=config.CORS_ORIGINS),
        UnreadBodyMiddleware,
    ]


@asynccontextmanager
async def lifespan(app: App) -> AsyncIterator[None]:
    """Open here what lives as long as the process; it is closed in reverse order when the server stops."""
    async with chassis_lifespan(app):
        yield
