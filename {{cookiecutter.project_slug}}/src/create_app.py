"""Puts the application together; read it as the table of contents."""

import inspect
import warnings
from collections.abc import AsyncGenerator, Callable, Iterator
from typing import Any

from dependency_injector.wiring import UnresolvedMarkerWarning
from quart import Quart
from quart_schema import HttpSecurityScheme, Info, QuartSchema, Server

from src.api.asgi import ASGIApplication
from src.api.controllers import blueprints
from src.api.maintenance_gate import MaintenanceGate
from src.api.middleware import MalformedRequestMiddleware, ServicePrefixMiddleware, UnreadBodyMiddleware
from src.api.openapi import OpenAPI
from src.api.requests import JSONRequest
from src.config import PROJECT, Config, ConfigurationError
from src.cors import register_cors
from src.dependency_container import DependencyContainer
from src.error_handler import register_error_handlers
from src.logging import configure_logging, register_request_log
from src.management import register_commands


class Service(Quart):
    request_class = JSONRequest
    container: DependencyContainer
    maintenance_gate: MaintenanceGate

    def add_background_task(self, func: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        """A background task outlives its request, so it works outside of the request's transaction."""
        with self.container.database().outside_transaction():
            super().add_background_task(func, *args, **kwargs)


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
    register_request_log(app)
    register_cors(app, config)
    register_error_handlers(app)
    for blueprint in blueprints():
        app.register_blueprint(blueprint)
    inject_dependencies(app)
    register_openapi(app, config)
    register_commands(app, app.container)
    register_lifespan(app)
    register_middleware(app, config)
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
        redoc_ui_path=None,
        scalar_ui_path=None,
        info=Info(title=config.SERVICE_NAME, version=PROJECT["version"], description=PROJECT["description"]),
        servers=[Server(url=config.SERVICE_PREFIX or "/")],
        security_schemes={"maintenance": HttpSecurityScheme(scheme="bearer")},
        conversion_preference="pydantic",
        openapi_provider_class=OpenAPI,
    )


def register_lifespan(app: Service) -> None:
    @app.while_serving
    async def lifespan() -> AsyncGenerator[None, None]:
        try:
            async with app.container.service_context_watcher().running():
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
    app.asgi_app = MalformedRequestMiddleware(app.maintenance_gate)  # type: ignore[assignment]


def _exempt_paths(app: Service) -> Iterator[str]:
    for rule in app.url_map.iter_rules():
        if getattr(app.view_functions[rule.endpoint], "maintenance_exempt", False):
            if rule.arguments:
                msg = f"{rule.rule} has parameters: only an exact path can be exempt from the maintenance window."
                raise ConfigurationError(msg)
            yield rule.rule
