"""Puts the application together; read it as the table of contents."""

import inspect
import sys
import warnings
from collections.abc import AsyncGenerator, Callable, Iterator
from typing import Any

from dependency_injector.wiring import UnresolvedMarkerWarning
from quart import Quart
from quart_schema import HttpSecurityScheme, Info, QuartSchema, Server

from src.api.asgi import ASGIApplication
from src.api.controllers import blueprints
from src.api.docs_page import register_docs_page
from src.api.maintenance_gate import MaintenanceGate
from src.api.middleware import MalformedRequestMiddleware, ServicePrefixMiddleware, UnreadBodyMiddleware
from src.api.openapi import OpenAPI
from src.api.proxy_headers import ProxyHeadersMiddleware
from src.api.request_log import RequestLogMiddleware
from src.api.requests import JSONRequest
from src.api.security_headers import SecurityHeadersMiddleware
from src.config import PROJECT, Config, ConfigurationError
from src.cors import register_cors
from src.dependency_container import DependencyContainer
from src.error_handler import register_error_handlers
from src.logging import access_log, configure_logging
from src.management import register_commands
from src.shutdown import Drain, register_drain
from src.worker import started

LOOPBACK = ("127.0.0.1", "::1", "localhost")


class Service(Quart):
    request_class = JSONRequest
    container: DependencyContainer
    maintenance_gate: MaintenanceGate
    drain: Drain

    @property
    def in_flight(self) -> int:
        """What a maintenance window waits for: requests and websockets that it does not refuse, background tasks."""
        return self.maintenance_gate.in_flight + len(self.background_tasks)

    def add_background_task(self, func: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        """A background task outlives its request, so it works outside of the request's transaction."""
        with self.container.database().outside_transaction():
            super().add_background_task(func, *args, **kwargs)

    def run(self, host: str | None = None, port: int | None = None, *args: Any, **kwargs: Any) -> None:
        """What `quart run` calls. In debug mode an error may show source code: to nobody but this machine."""
        if kwargs.get("debug", self.debug) and host not in (None, *LOOPBACK):
            sys.exit(f"Error: debug mode on {host} would show source code to strangers: leave out --debug or --host.")
        super().run(host, port, *args, **kwargs)


def create_app(config: Config) -> Service:
    """Makes an application; nothing is read from the environment and nothing connects before it starts serving.

    Raises:
        ConfigurationError: a controller asks for a provider that the container lacks.
    """
    configure_logging(config)
    app = Service("src", static_folder=None)
    app.config.from_object(config)
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False
    app.container = DependencyContainer(config=config)
    register_cors(app, config)
    register_error_handlers(app)
    for blueprint in blueprints():
        app.register_blueprint(blueprint)
    inject_dependencies(app)
    register_openapi(app, config)
    register_commands(app, app.container)
    register_middleware(app, config)
    register_lifespan(app, config)
    return app


def inject_dependencies(app: Service) -> None:
    """Fails now, not at the first request, where something asks for a provider that the container lacks."""
    for endpoint, view in app.view_functions.items():
        for parameter in inspect.signature(inspect.unwrap(view)).parameters.values():
            for marker in getattr(parameter.annotation, "__metadata__", ()):
                name = getattr(marker, "provider", None)
                if isinstance(name, str) and name not in app.container.providers:
                    msg = f"{endpoint} asks for {name!r}, which src/dependency_container.py does not provide."
                    raise ConfigurationError(msg)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UnresolvedMarkerWarning)
        app.container.wire(packages=["src.api"], warn_unresolved=True)


def register_openapi(app: Quart, config: Config) -> None:
    QuartSchema(
        app,
        openapi_path="/openapi.json" if config.serves_docs else None,
        swagger_ui_path=None,  # it would load the page from elsewhere
        redoc_ui_path=None,
        scalar_ui_path=None,
        info=Info(title=config.SERVICE_NAME, version=PROJECT["version"], description=PROJECT["description"]),
        servers=[Server(url=config.SERVICE_PREFIX or "/")],
        security_schemes={"maintenance": HttpSecurityScheme(scheme="bearer")},
        conversion_preference="pydantic",
        openapi_provider_class=OpenAPI,
    )
    if config.serves_docs:
        register_docs_page(app, config.SERVICE_NAME)


def register_lifespan(app: Service, config: Config) -> None:
    app.drain = Drain(config.SHUTDOWN_DRAIN_SECONDS, app.maintenance_gate.close_sockets)
    register_drain(app, app.drain)

    @app.while_serving
    async def lifespan() -> AsyncGenerator[None, None]:
        try:
            async with app.container.service_context_watcher().running(lambda: app.in_flight):
                app.drain.listen()
                started()
                yield
        finally:
            await app.container.database().close()


def register_middleware(app: Service, config: Config) -> None:
    """From the inside out: the first one is next to the application."""
    prefix = "" if config.APP_ENV == "testing" else config.SERVICE_PREFIX
    framework: Any = app.asgi_app
    asgi_app: ASGIApplication = UnreadBodyMiddleware(framework)
    if prefix:
        asgi_app = ServicePrefixMiddleware(asgi_app, prefix)
    app.maintenance_gate = MaintenanceGate(
        asgi_app,
        app.container.maintenance_state(),
        exempt=[prefix + path for path in _exempt_paths(app)],
        retry_after=config.MAINTENANCE_RETRY_AFTER,
        origins=config.CORS_ORIGINS,
    )
    asgi_app = MalformedRequestMiddleware(app.maintenance_gate)
    asgi_app = SecurityHeadersMiddleware(asgi_app)
    asgi_app = RequestLogMiddleware(asgi_app, access_log(config))
    if config.PROXY_HOPS:
        asgi_app = ProxyHeadersMiddleware(asgi_app, config.PROXY_HOPS)
    app.asgi_app = asgi_app  # type: ignore[method-assign, assignment]


def _exempt_paths(app: Service) -> Iterator[str]:
    for rule in app.url_map.iter_rules():
        if getattr(app.view_functions[rule.endpoint], "maintenance_exempt", False):
            if rule.arguments:
                msg = f"{rule.rule} has parameters: only an exact path can be exempt from the maintenance window."
                raise ConfigurationError(msg)
            yield rule.rule
