"""The application class, and the steps of which `create_app` consists."""

import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from inspect import iscoroutine
from types import ModuleType
from typing import Any, ClassVar, cast

import click
from quart import Quart, Request, Websocket
from quart.typing import ResponseTypes
from quart_schema import Contact, Info, License

import chassis.http.health
import chassis.maintenance.routes
from chassis.cli.database_commands import database_group
from chassis.cli.development import development_commands
from chassis.cli.settings_commands import register_settings_commands
from chassis.config import PROJECT, ChassisConfig, reveal
from chassis.dependency_container import ChassisContainer
from chassis.discovery import import_modules_below
from chassis.http.asgi import ASGIApplication, Middleware
from chassis.http.body_sources import check_body_sources
from chassis.http.connection import HTTPConnection
from chassis.http.injection import check_injections
from chassis.http.matching import StrictRequestContext, StrictWebsocketContext
from chassis.http.openapi import register_openapi
from chassis.http.requests import JSONRequest
from chassis.http.responses import keep_responses
from chassis.http.routing import find_blueprints, find_exempt_paths
from chassis.http.trusted_hosts import TrustedHostsMiddleware
from chassis.http.websockets import BoundedWebsocketConnection, TrackedWebsocket
from chassis.maintenance.commands import register_maintenance_commands
from chassis.maintenance.gate import MaintenanceGate, MaintenanceProblemSchema
from chassis.persistence.repository import Repository
from chassis.runtime.garbage import frozen_objects
from chassis.runtime.logging import configure_logging, create_access_log
from chassis.runtime.periodic import Job, run_every
from chassis.runtime.shutdown import Drain

LOOPBACK = ("127.0.0.1", "::1", "localhost")
CHASSIS_VIEWS = (chassis.http.health, chassis.maintenance.routes)


class ChassisApp(Quart):
    """Quart with a container, a drain and background tasks that outlive the transaction of their request."""

    request_class = JSONRequest
    asgi_http_class = HTTPConnection
    websocket_class = TrackedWebsocket
    asgi_websocket_class = BoundedWebsocketConnection
    container: ChassisContainer
    views: list[ModuleType]  # those of the chassis and of the service
    drain: Drain
    _wired: ClassVar["ChassisApp | None"] = None  # the application of this process whose providers are injected

    def __init__(self, import_name: str, config: ChassisConfig, container: ChassisContainer) -> None:
        configure_logging(config.LOG_LEVEL, config.LOG_FORMAT)
        super().__init__(import_name, static_folder=None)
        self.config.from_object(config)
        self.config.update({name: reveal(value) for name, value in self.config.items()})
        self.url_map.strict_slashes = False
        self.url_map.merge_slashes = False
        self.container = container
        check_repositories(container)

    @property
    def in_flight(self) -> int:
        """The number of requests, websockets and background tasks for which a maintenance window waits."""
        return self.container.in_flight().count + len(self.background_tasks)

    def wire(self) -> None:
        """Inject the providers of this container into the views; another application of the process loses them."""
        if ChassisApp._wired is not self:
            self.container.wire(modules=self.views)
            ChassisApp._wired = self

    async def close_databases(self) -> None:
        await self.container.probe_database().close()
        await self.container.database().close()

    def request_context(self, request: Request) -> StrictRequestContext:
        return StrictRequestContext(self, request=request)

    def websocket_context(self, websocket: Websocket) -> StrictWebsocketContext:
        return StrictWebsocketContext.create(self, websocket)

    async def handle_websocket(self, websocket: Websocket) -> ResponseTypes | None:
        response = await super().handle_websocket(websocket)
        if response is not None:
            await cast("TrackedWebsocket", websocket).close_for_status(response.status_code)
        return response

    def add_background_task(self, func: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        """Start a task outside the transaction of the request, because it outlives the request."""

        async def run() -> None:
            with self.container.in_flight().background(getattr(func, "__qualname__", repr(func))):
                await self.ensure_async(func)(*args, **kwargs)

        with self.container.database().outside_transaction():
            super().add_background_task(run)

    def every(self, seconds: float, job: Job) -> AbstractAsyncContextManager[None]:
        """Run `job` as a background task every `seconds` while the block runs, also after an error, which is logged.

        No run begins before the previous one has ended, during a maintenance window, or when the instance stops.
        """
        gate = self.container.maintenance_state()

        def is_paused() -> bool:
            return gate.gate_closed or self.drain.is_running or self.shutdown_event.is_set()

        return run_every(seconds, job, start=self.add_background_task, is_paused=is_paused)

    def run(self, host: str | None = None, port: int | None = None, *args: Any, **kwargs: Any) -> None:
        """Run the development server for `quart run`; debug mode, which shows source code, is for loopback only."""
        if kwargs.get("debug", self.debug) and host not in (None, *LOOPBACK):
            sys.exit(f"Error: debug mode on {host} would show source code to strangers: leave out --debug or --host.")
        super().run(host, port, *args, **kwargs)


def check_repositories(container: ChassisContainer) -> None:
    """Compare each repository of the container with its model, because the first request would be too late.

    Raises:
        ConfigurationError: they do not fit, see `EntityMapping`.
    """
    providers: Iterable[Any] = container.traverse()
    for provider in providers:
        provided = getattr(provider, "provides", None)
        if isinstance(provided, type) and issubclass(provided, Repository):
            provided.create_mapping()


def register_views(app: ChassisApp, config: ChassisConfig, package: ModuleType) -> None:
    """Register the blueprints of the chassis and those below `package`, inject into them, and document them.

    Raises:
        ConfigurationError: a view cannot be injected, see `check_injections`, or its schema does not fit its body, see
            `check_body_sources`.
    """
    app.views = [*CHASSIS_VIEWS, *import_modules_below(package.__name__, package.__path__)]
    for blueprint in find_blueprints(app.views):
        app.register_blueprint(blueprint)
    check_injections(app, app.views, app.container.providers)
    check_body_sources(app)
    app.wire()
    register_openapi(
        app,
        info=_info(config),
        prefix=config.SERVICE_PREFIX,
        served=config.serves_docs,
        unavailable=[MaintenanceProblemSchema],
    )
    keep_responses(app)


def _info(config: ChassisConfig) -> Info:
    return Info(
        title=config.SERVICE_NAME,
        version=PROJECT["version"],
        description=PROJECT["description"],
        contact=Contact(name=PROJECT["authors"][0]["name"]),
        license=License(name=PROJECT["license"], identifier=PROJECT["license"]),
    )


def register_commands(app: ChassisApp, config: ChassisConfig, commands: Sequence[click.Command]) -> None:
    """Register the commands of the chassis and those of the service."""
    app.cli.add_command(database_group(config.SQLALCHEMY_DATABASE_URI))
    register_settings_commands(app, config, config.SQLALCHEMY_DATABASE_URI)
    register_maintenance_commands(app, app.container.window_operator)
    for command in development_commands():
        app.cli.add_command(command)
    for command in commands:
        if command.callback:
            command.callback = partial(_run_command, app, command.callback)
        app.cli.add_command(command)


def _run_command(app: ChassisApp, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - a command's
    """Close the database after a coroutine, because an engine belongs to one event loop."""
    result = function(*args, **kwargs)

    async def run() -> object:
        try:
            return await result
        finally:
            await app.close_databases()

    return run() if iscoroutine(result) else result


def maintenance_gate(app: ChassisApp, config: ChassisConfig) -> Middleware:
    return partial(
        MaintenanceGate,
        state=app.container.maintenance_state(),
        in_flight=app.container.in_flight(),
        exempt=[config.served_prefix + path for path in find_exempt_paths(app)],
        retry_after=config.MAINTENANCE_RETRY_AFTER,
        origins=config.CORS_ORIGINS,
    )


def trusted_hosts(config: ChassisConfig) -> Middleware:
    return partial(
        TrustedHostsMiddleware,
        hosts=config.trusted_hosts,
        trust_loopback=config.APP_ENV != "production",
        exempt=[config.served_prefix + path for path in chassis.http.health.PATHS],
    )


def access_log(config: ChassisConfig) -> Callable[..., None] | None:
    return create_access_log(config.LOG_LEVEL, config.LOG_FORMAT) if config.ACCESS_LOG else None


def add_middleware(app: ChassisApp, middleware: Sequence[Middleware]) -> None:
    """Wrap the application; the first middleware of the sequence sees a request first."""
    framework: Any = app.asgi_app
    asgi_app: ASGIApplication = framework
    for wrap in reversed(middleware):
        asgi_app = wrap(asgi_app)
    app.asgi_app = asgi_app  # type: ignore[method-assign, assignment]


@asynccontextmanager
async def chassis_lifespan(app: ChassisApp) -> AsyncIterator[None]:
    """Watch the maintenance window and handle SIGTERM and SIGHUP; close the database at the end."""
    try:
        oldest = app.container.in_flight().oldest_seconds
        async with app.container.service_context_watcher().running(lambda: app.in_flight, oldest):
            app.drain.handle_signals()
            with frozen_objects():
                yield
    finally:
        await app.close_databases()


def register_lifespan(
    app: ChassisApp, config: ChassisConfig, lifespan: Callable[[], AbstractAsyncContextManager[None]]
) -> None:
    """Enter `lifespan` before the first request, and leave it after the last one."""
    app.drain = Drain(config.SHUTDOWN_DRAIN_SECONDS, app.container.in_flight().stop)

    @app.while_serving
    async def serve() -> AsyncGenerator[None, None]:
        async with lifespan():
            yield
