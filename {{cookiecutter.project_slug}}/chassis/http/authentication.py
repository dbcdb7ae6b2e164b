"""A service that authenticates its clients has one check for all views, so that a new view cannot forget it."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, cast

from quart import Quart, request, websocket
from quart.wrappers.base import BaseRequestWebsocket
from quart_schema import APIKeySecurityScheme, HttpSecurityScheme, OAuth2SecurityScheme, OpenIdSecurityScheme

from chassis.http.routing import is_public

SecurityScheme = APIKeySecurityScheme | HttpSecurityScheme | OAuth2SecurityScheme | OpenIdSecurityScheme
Check = Callable[[BaseRequestWebsocket], Awaitable[None]]
EXTENSION = "chassis_authentication"


def require_authentication(app: Quart, scheme: Mapping[str, SecurityScheme], check: Check) -> None:
    """Await `check` with each request and websocket before its view, unless the view is marked as `@public`.

    The check raises `UnauthenticatedError` or `ForbiddenError`. `scheme` is its name and description in the OpenAPI
    document, which shows it, 401 and 403 at each view that is not public. The views of the chassis are public.
    """
    app.extensions[EXTENSION] = scheme

    @app.before_request
    async def _check_request() -> None:
        is_answered_by_quart = request.method == "OPTIONS" and getattr(
            request.url_rule, "provide_automatic_options", False
        )
        if not is_answered_by_quart:  # a browser sends no credentials before it knows that it may
            await _check(app, check, request)

    @app.before_websocket
    async def _check_websocket() -> None:
        await _check(app, check, websocket)


def security_schemes(app: Quart) -> Mapping[str, SecurityScheme]:
    """Return the schemes of `require_authentication`; none, if everybody may call the service."""
    return cast("Mapping[str, SecurityScheme]", app.extensions.get(EXTENSION, {}))


async def _check(app: Quart, check: Check, call: Any) -> None:  # noqa: ANN401 - a proxy for a request or a websocket
    if call.endpoint is not None and not is_public(app, call.endpoint):
        await check(call._get_current_object())  # noqa: SLF001 - documented by Werkzeug
