"""Messages are notifications of PostgreSQL, which each worker receives on its connection for the maintenance window.

One channel of PostgreSQL carries all messages, each with the name of its own channel. So a subscription costs
the database nothing, and takes effect at once.
"""

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from sqlalchemy import text

from chassis.domain.exceptions import ConfigurationError
from chassis.domain.messages import MISSED, Handler, Message, Messages
from chassis.persistence.database import Database
from chassis.persistence.dialects import is_postgresql
from chassis.persistence.pgbouncer import uses_pgbouncer
from chassis.persistence.subscription import Subscription

CHANNEL = "messages"
MAX_BYTES = 7999  # of a notification: https://www.postgresql.org/docs/current/sql-notify.html
MAX_CHANNEL_LENGTH = 100

_NOTIFY = text("SELECT pg_notify(:channel, :payload)")
_NEEDS_POSTGRESQL = "Messages are notifications of PostgreSQL; the database of SQLALCHEMY_DATABASE_URI has none."
_NEEDS_SESSION = (
    "Messages cannot be received through PgBouncer in transaction mode, which SQLALCHEMY_DATABASE_URI names: "
    "connect to PostgreSQL itself, or set pool_mode = session for PgBouncer, and remove pgbouncer=true."
)
_NEEDS_LIFESPAN = (
    "Messages are received only while the service runs: in a command, and before start-up, nothing arrives."
)

log = structlog.get_logger(__name__)


class PostgreSQLMessages(Messages):
    def __init__(self, database: Database) -> None:
        self._database = database
        self._subscriptions: defaultdict[str, set[Subscription]] = defaultdict(set)
        self._is_receiving = False

    async def publish(self, channel: str, message: Message) -> None:
        _check_channel(channel)
        if not is_postgresql(self._database.engine.url):
            raise ConfigurationError(_NEEDS_POSTGRESQL)
        payload = json.dumps([channel, message], ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        size = len(payload.encode())
        if size > MAX_BYTES:
            msg = (
                f"A message may have {MAX_BYTES} bytes together with the name of its channel, and this one has {size}: "
                "publish the id of a row, and let subscribers read the row."
            )
            raise ValueError(msg)
        async with self._database.session() as session:
            await session.execute(_NOTIFY, {"channel": CHANNEL, "payload": payload})

    @asynccontextmanager
    async def subscribe(self, channel: str) -> AsyncIterator[Subscription]:
        _check_channel(channel)
        self._check_reception()
        subscription = Subscription(channel)
        self._subscriptions[channel].add(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions[channel].discard(subscription)
            if not self._subscriptions[channel]:
                del self._subscriptions[channel]

    @asynccontextmanager
    async def handle(self, channel: str, handler: Handler) -> AsyncIterator[None]:
        async with self.subscribe(channel) as messages:
            with self._database.outside_transaction():
                task = asyncio.create_task(_handle_all(channel, messages, handler))
            try:
                yield
            finally:
                task.cancel()
                await asyncio.wait([task])

    def start_receiving(self) -> None:
        """Allow subscriptions, because from now on somebody calls `receive` and `note_gap`."""
        self._is_receiving = True

    def receive(self, _connection: object, _process: int, _channel: str, payload: str) -> None:
        """Give a notification to the subscribers of its channel; the signature is that of listeners in asyncpg."""
        try:
            channel, message = json.loads(payload)
            subscriptions = self._subscriptions.get(channel, ())
        except (ValueError, TypeError, RecursionError):
            log.warning("message ignored: it is not a JSON array of a channel and a value", payload=payload[:100])
            return
        for subscription in subscriptions:
            subscription.put(message)

    def note_gap(self) -> None:
        """Tell all subscribers that the connection is a new one, so messages may be missing."""
        for subscriptions in self._subscriptions.values():
            for subscription in subscriptions:
                subscription.put(MISSED)

    def _check_reception(self) -> None:
        url = self._database.engine.url
        if not is_postgresql(url):
            raise ConfigurationError(_NEEDS_POSTGRESQL)
        if uses_pgbouncer(url):
            raise ConfigurationError(_NEEDS_SESSION)
        if not self._is_receiving:
            raise ConfigurationError(_NEEDS_LIFESPAN)


def _check_channel(channel: str) -> None:
    if not 1 <= len(channel) <= MAX_CHANNEL_LENGTH:
        msg = f"The name of a channel has 1 to {MAX_CHANNEL_LENGTH} characters, and this one has {len(channel)}."
        raise ValueError(msg)


async def _handle_all(channel: str, messages: AsyncIterator[Message], handler: Handler) -> None:
    async for message in messages:
        try:
            await handler(message)
        except Exception:
            log.exception("message not handled", channel=channel)
