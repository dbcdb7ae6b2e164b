"""A JSON body is checked before a view sees it."""

from typing import Any

from quart import Request
from werkzeug.exceptions import BadRequest, UnsupportedMediaType


class JSONRequest(Request):
    """Reports a body that is not JSON, instead of treating it as an empty one."""

    async def get_json(self, force: bool = False, silent: bool = False, cache: bool = True) -> Any:  # noqa: ANN401, FBT001, FBT002 - Quart's signature
        if not (force or silent or self.is_json) and await self.get_data(cache=cache):
            msg = "The body must be JSON, with the header Content-Type: application/json"
            raise UnsupportedMediaType(msg)
        if self.is_json and not await self.get_data(cache=cache):
            return None
        try:
            return await super().get_json(force=force, silent=silent, cache=cache)
        except (RecursionError, UnicodeDecodeError) as error:  # errors of the parser that Quart does not expect
            return None if silent else self.on_json_loading_failed(error)

    def on_json_loading_failed(self, error: Exception) -> Any:  # noqa: ANN401 - Quart's signature
        msg = "The body is not valid JSON"
        raise BadRequest(msg) from error
