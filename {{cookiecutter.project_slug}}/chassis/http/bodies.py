"""The limits of a request body, which hold however a client sends it and however a view reads it.

Quart compares only the bytes that wait to be read, so a view that iterates over the body would receive without end.
"""

import asyncio
import sys
from collections.abc import AsyncIterable, AsyncIterator, Generator
from contextlib import ExitStack
from typing import Any, cast

from quart.formparser import FormDataParser
from quart.wrappers.request import Body
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import RequestEntityTooLarge

Forms = tuple[MultiDict[str, Any], MultiDict[str, Any]]  # fields and files
PIECE_LENGTH = 16 * 1024  # bytes, of which a form can consist of 270 parts
MAX_PART_HEADER = 16 * 1024  # bytes, as much as a server accepts for the header of a request


class BoundedBody(Body):
    """Counts every byte that arrives, and keeps none of them if there are more than the limit.

    Reading raises `RequestEntityTooLarge` then, at once if Content-Length announces too much.
    """

    def __init__(self, expected_content_length: int | None, max_content_length: int | None) -> None:
        super().__init__(None, None)
        self.default_limit = max_content_length
        self._limit: int | None = None  # until the route is known, which takes one step of the event loop
        self._announced = expected_content_length or 0
        self._received = 0

    @property
    def limit(self) -> int | None:
        """The largest number of bytes; None means that there is no limit."""
        return self._limit

    @limit.setter
    def limit(self, size: int | None) -> None:
        self._limit = size
        if self._is_too_large():
            self._drop()

    if sys.version_info >= (3, 13):  # Quart 0.23

        async def put(self, data: bytes) -> None:
            if self._accepts(data):
                await super().put(data)

        async def add(self, data: bytes, *, is_last: bool) -> None:
            await self.put(data)
            if is_last:
                self.set_complete()

        def clear(self) -> None:
            while not self._queue.empty():
                self._queue.get_nowait()
            super().clear()

    else:  # Quart 0.22

        def append(self, data: bytes) -> None:
            if self._accepts(data):
                super().append(data)

        async def add(self, data: bytes, *, is_last: bool) -> None:
            self.append(data)
            if is_last:
                self.set_complete()

    def _accepts(self, data: bytes) -> bool:
        """Count the bytes, and return whether there is something to keep."""
        self._received += len(data)
        if self._is_too_large():
            self._drop()
            return False
        return bool(data)

    async def __anext__(self) -> bytes:
        try:
            data = await super().__anext__()
        except StopAsyncIteration:
            self._require_size()
            raise
        self._require_size()
        return data

    def __await__(self) -> Generator[Any, None, Any]:
        data = yield from super().__await__()
        self._require_size()
        return data

    def _is_too_large(self) -> bool:
        return self._limit is not None and (self._received > self._limit or self._announced > self._limit)

    def _require_size(self) -> None:
        if self._is_too_large():
            raise RequestEntityTooLarge

    def _drop(self) -> None:
        self.clear()
        self.set_complete()


class BoundedFormDataParser(FormDataParser):
    """Bounds what Quart does not: the fields of a URL-encoded form, and the headers of a part of a multipart form.

    Each raises `RequestEntityTooLarge`. The settings of Quart, MAX_FORM_PARTS and MAX_FORM_MEMORY_SIZE, hold for both.
    """

    async def parse(
        self, body: Body, mimetype: str, content_length: int | None, options: dict[str, str] | None = None
    ) -> Forms:
        if mimetype == "multipart/form-data":
            return await self._parse_parts(cast("Body", _pieces(body)), mimetype, content_length, options)
        if mimetype in self.parse_functions:
            self._require_small_form(await body)
        return await super().parse(body, mimetype, content_length, options)

    async def _parse_parts(self, body: Body, *args: Any) -> Forms:
        """Parse a multipart form, and close its temporary files unless all of it has been read."""
        self.max_content_length = PIECE_LENGTH + MAX_PART_HEADER  # of the bytes that the parser has to keep
        with ExitStack() as files:
            create_stream = self.stream_factory
            self.stream_factory = lambda *args: files.enter_context(create_stream(*args))
            form = await super().parse(body, *args)
            if form[1]:
                files.pop_all()  # Quart closes them at the end of the request
        return form

    def _require_small_form(self, data: bytes) -> None:
        too_long = self.max_form_memory_size is not None and len(data) > self.max_form_memory_size
        if too_long or (self.max_form_parts is not None and data.count(b"&") >= self.max_form_parts):
            raise RequestEntityTooLarge


async def _pieces(body: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    """Split the body so that other requests have a turn while it is parsed."""
    async for data in body:
        for start in range(0, len(data), PIECE_LENGTH):
            yield data[start : start + PIECE_LENGTH]
            await asyncio.sleep(0)
