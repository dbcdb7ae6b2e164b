"""An application on the chassis alone, so that its tests do not depend on a service."""

from functools import partial
from http import HTTPStatus

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
from chassis.config import ChassisConfig
from chassis.dependency_container import ChassisContainer
from chassis.http.asgi import Middleware
from chassis.http.cors import register_cors
from chassis.http.errors import register_error_handlers
from chassis.http.malformed_requests import MalformedRequestMiddleware
from chassis.http.prefix import ServicePrefixMiddleware
from chassis.http.proxy_headers import ProxyHeadersMiddleware
from chassis.http.request_log import RequestLogMiddleware
from chassis.http.security_headers import SecurityHeadersMiddleware
from chassis.http.unread_bodies import UnreadBodyMiddleware
from chassis.tests.sample import controllers
from chassis.tests.sample.exceptions import LimitError, LockedError

STATUS_OF_ERROR = {LimitError: HTTPStatus.TOO_MANY_REQUESTS, LockedError: HTTPStatus.LOCKED}


def create_app(config: ChassisConfig) -> ChassisApp:
    app = ChassisApp("sample", config, ChassisContainer(config=config))
    register_cors(app, config.CORS_ORIGINS)
    register_error_handlers(app, STATUS_OF_ERROR)
    register_views(app, config, controllers)
    register_commands(app, config, [])
    middleware: list[Middleware] = [
        partial(ProxyHeadersMiddleware, hops=config.PROXY_HOPS),
        partial(RequestLogMiddleware, log=access_log(config)),
        SecurityHeadersMiddleware,
        partial(MalformedRequestMiddleware, origins=config.CORS_ORIGINS),
        trusted_hosts(config),
        maintenance_gate(app, config),
        partial(ServicePrefixMiddleware, prefix=config.served_prefix, origins=config.CORS_ORIGINS),
        UnreadBodyMiddleware,
    ]
    add_middleware(app, middleware)
    register_lifespan(app, config, partial(chassis_lifespan, app))
    return app
