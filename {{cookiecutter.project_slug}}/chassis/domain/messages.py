"""Messages to all instances of the service: the port for services and views, which know nothing of the database."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from enum import Enum
from typing import Any, Final, Protocol

Message = Any  # a value that JSON can represent, or MISSED
Handler = Callable[[Message], Awaitable[None]]


class Gap(Enum):
    """The type of `MISSED`."""

    MISSED = "messages are missing here"


MISSED: Final = Gap.MISSED


class Messages(Protocol):
    """Delivers a message to every process that subscribes to its channel, the publisher's own process included.

    A subscriber gets `MISSED` in place of messages that it cannot get any more: the connection was lost, or it has
    not read fast enough. It should then read again what the messages were about.
    All subscribers of a process share one message, so they must not change it.
    """

    async def publish(self, channel: str, message: Message) -> None:
        """Send a message, which is a value for JSON; inside a transaction, send it at the commit.

        Raises:
            ValueError: the channel has no name or a too long one, or the message is too large or no JSON.
            TypeError: JSON cannot represent the message.
            ConfigurationError: the database has no notifications.
            UnavailableError: the database cannot be reached.
        """
        ...

    def subscribe(self, channel: str) -> AbstractAsyncContextManager[AsyncIterator[Message]]:
        """Give the messages that are published while the block runs.

        Raises:
            ValueError: the channel has no name or a too long one.
            ConfigurationError: this process cannot receive messages; the message says what to do.
        """
        ...

    def handle(self, channel: str, handler: Handler) -> AbstractAsyncContextManager[None]:
        """Await `handler` with one message after the other while the block runs; an exception is logged.

        Raises:
            ValueError, ConfigurationError: see `subscribe`.
        """
        ...
