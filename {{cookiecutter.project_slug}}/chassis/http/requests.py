"""A JSON body is checked before a view sees it."""

import asyncio
from collections.abc import Mapping
from math import isinf
from types import MappingProxyType
from typing import Any

from quart import Request
from werkzeug.exceptions import BadRequest, HTTPException, RequestTimeout, UnsupportedMediaType

from chassis.http.bodies import BoundedBody, BoundedFormDataParser
from chassis.http.json_limits import JSONLimits


class JSONRequest(Request):
    """Reports a body that is not JSON, instead of treating it as an empty one, and one that is over a limit."""

    body_class = BoundedBody
    form_data_parser_class = BoundedFormDataParser
    body: BoundedBody
    json_limits = JSONLimits()
    _json_values: Mapping[bool, Any] = MappingProxyType({})  # with the argument `silent` as the key

    @property
    def max_content_length(self) -> int | None:
        return self.body.limit

    @max_content_length.setter
    def max_content_length(self, size: int | None) -> None:
        self.body.limit = size

    @property
    def blueprints(self) -> list[str]:
        """Return the names of the blueprint and its parents, as Quart does, but without an import for each call.

        Quart asks several times for each request.
        """
        names = []
        name = self.blueprint or ""
        while name:
            names.append(name)
            name = name.rpartition(".")[0]
        return names

    def apply_limits(self, view: object) -> None:
        """Take the limits of the view that the route has, or those of every view if no route matches."""
        self.body.limit = getattr(view, "max_content_length", self.body.default_limit)
        self.json_limits = getattr(view, "json_limits", self.json_limits)

    async def get_json(self, force: bool = False, silent: bool = False, cache: bool = True) -> Any:  # noqa: ANN401, FBT001, FBT002 - Quart's signature
        """Do what Quart does, but receive the body once, and refuse it if it is over the limits of the view."""
        if cache and silent in self._json_values:
            return self._json_values[silent]
        data = await self._receive(cache=cache)
        if not (force or self.is_json):
            if data and not silent:
                msg = "The body must be JSON, with the header Content-Type: application/json"
                raise UnsupportedMediaType(msg)
            return None
        value = None if self.is_json and not data else self._parse(data, silent=silent)
        if cache:
            self._json_values = {**self._json_values, silent: value}
        return value

    async def _receive(self, *, cache: bool) -> bytes:
        """Return the body, as `get_data` does, which starts a task for it on Python 3.11."""
        try:
            async with asyncio.timeout(self.body_timeout):
                data: bytes = await self.body
        except TimeoutError as error:
            raise RequestTimeout from error
        if not cache:
            self.body.clear()
        return data

    def _parse(self, data: bytes, *, silent: bool) -> Any:  # noqa: ANN401 - any JSON value
        try:
            self.json_limits.check(data)
            return self.json_module.loads(data.decode(), parse_constant=_refuse_constant, parse_float=_parse_number)
        except HTTPException:
            if silent:
                return None
            raise
        except (ValueError, RecursionError) as error:
            return None if silent else self.on_json_loading_failed(error)

    def on_json_loading_failed(self, error: Exception) -> Any:  # noqa: ANN401 - Quart's signature
        msg = "The body is not valid JSON"
        raise BadRequest(msg) from error


def _refuse_constant(name: str) -> float:
    """Refuse NaN and Infinity, which Python reads although they are not JSON."""
    msg = f"{name} is not JSON"
    raise ValueError(msg)


def _parse_number(text: str) -> float:
    number = float(text)
    if isinf(number):
        msg = "The body has a number that is too large"
        raise BadRequest(msg)
    return number
