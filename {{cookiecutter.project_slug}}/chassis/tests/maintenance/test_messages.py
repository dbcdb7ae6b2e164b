"""Messages reach all workers, on the connection that each of them has for the maintenance window."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from sqlalchemy import make_url, text

from chassis.domain.exceptions import ConfigurationError
from chassis.domain.messages import MISSED, Message
from chassis.persistence import subscription
from chassis.persistence.database import Database
from chassis.persistence.messages import MAX_BYTES, MAX_CHANNEL_LENGTH, PostgreSQLMessages
from chassis.tests.maintenance.workers import run_worker

PATIENCE = 30.0  # seconds


@pytest.fixture(name="worker", scope="module")
async def _worker(migrated_database: Database) -> AsyncIterator[PostgreSQLMessages]:
    async with run_worker(migrated_database.engine.url) as messages:
        yield messages


@pytest.fixture(name="publisher")
def _publisher(database: Database) -> PostgreSQLMessages:
    """Another object than the subscriber, as in another process; `database` opens its transactions."""
    return PostgreSQLMessages(database)


async def _next(stream: AsyncIterator[Message]) -> Message:
    async with asyncio.timeout(PATIENCE):
        return await anext(stream)


async def _kill_connection(service: str, database: Database) -> None:
    kill = f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = '{service} gate'"
    async with database.session() as session:
        await session.execute(text(kill))


async def test_reaches_other_processes(database: Database) -> None:
    url = database.engine.url.render_as_string(hide_password=False)
    command = (sys.executable, "-m", "chassis.tests.maintenance.answer_messages", url)
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
    assert process.stdin
    assert process.stdout
    try:
        async with asyncio.timeout(PATIENCE), run_worker(database.engine.url) as messages:
            assert await process.stdout.readline() == b"ready\n"
            async with messages.subscribe("answer") as stream:
                await messages.publish("question", {"id": 7})

                assert await _next(stream) == {"to": {"id": 7}}
    finally:
        process.stdin.close()
        code = await process.wait()
    assert code == 0


async def test_reaches_all_subscribers_of_a_channel_in_order(
    worker: PostgreSQLMessages, publisher: PostgreSQLMessages
) -> None:
    async with worker.subscribe("prices") as first, worker.subscribe("prices") as second:
        await publisher.publish("rates", 0)
        await publisher.publish("prices", 1)
        await worker.publish("prices", 2)

        assert [await _next(first), await _next(first), await _next(second)] == [1, 2, 1]


@pytest.mark.parametrize("channel", ["Prices", "prices", "a\"b'c", "größe €", "a b;", "\\x", "n\n\0", "c" * 100])
async def test_a_channel_may_have_any_name(
    channel: str, worker: PostgreSQLMessages, publisher: PostgreSQLMessages
) -> None:
    async with worker.subscribe(channel) as stream:
        for name in ("Prices", channel):
            await publisher.publish(name, name)

        assert await _next(stream) == channel


@pytest.mark.parametrize("channel", ["", "c" * (MAX_CHANNEL_LENGTH + 1)])
async def test_refuses_a_name_that_is_empty_or_too_long(channel: str, worker: PostgreSQLMessages) -> None:
    with pytest.raises(ValueError, match="1 to 100 characters"):
        await worker.publish(channel, 1)
    with pytest.raises(ValueError, match="1 to 100 characters"):
        async with worker.subscribe(channel):
            pass


@pytest.mark.parametrize("message", [None, True, 1.5, "größe \0 \"'", [1, [2]], {"id": 7, "names": ["a"]}])
async def test_a_message_arrives_as_it_was_sent(
    message: Message, worker: PostgreSQLMessages, publisher: PostgreSQLMessages
) -> None:
    async with worker.subscribe("c") as stream:
        await publisher.publish("c", message)

        assert await _next(stream) == message


async def test_a_message_has_at_most_7999_bytes_with_its_channel(
    worker: PostgreSQLMessages, publisher: PostgreSQLMessages
) -> None:
    longest = "ä" * ((MAX_BYTES - len('["c",""]')) // 2)
    async with worker.subscribe("c") as stream:
        await publisher.publish("c", longest)
        with pytest.raises(ValueError, match=r"7999 bytes .* has 8000: publish the id of a row"):
            await publisher.publish("c", longest + "aa")

        assert await _next(stream) == longest


@pytest.mark.parametrize(("message", "error"), [(float("nan"), ValueError), ("\ud800", ValueError), ({1}, TypeError)])
async def test_refuses_a_message_that_is_not_json(
    message: Message, error: type[Exception], publisher: PostgreSQLMessages
) -> None:
    with pytest.raises(error):
        await publisher.publish("c", message)


async def test_sends_at_the_commit_and_nothing_after_a_rollback(
    worker: PostgreSQLMessages, publisher: PostgreSQLMessages, database: Database
) -> None:
    async with worker.subscribe("c") as stream:
        with pytest.raises(ZeroDivisionError):
            async with database.transaction():
                await publisher.publish("c", "rolled back")
                raise ZeroDivisionError
        async with database.transaction():
            await publisher.publish("c", "committed")
            await worker.publish("c", "outside")  # on another connection

            assert await _next(stream) == "outside"
        assert await _next(stream) == "committed"


async def test_a_notification_of_a_trigger_is_a_message(worker: PostgreSQLMessages, database: Database) -> None:
    payloads = ["no json", "7", "[7]", "[{}, 7]", "[" * 7000, '["c", {"id": 7}]']
    async with worker.subscribe("c") as stream, database.session() as session:
        for payload in payloads:
            await session.execute(text("SELECT pg_notify('messages', :payload)"), {"payload": payload})

        assert await _next(stream) == {"id": 7}


async def test_says_that_messages_are_missing_after_a_lost_connection(database: Database) -> None:
    async with run_worker(database.engine.url, "unlucky") as messages, messages.subscribe("c") as stream:
        await _kill_connection("unlucky", database)

        assert await _next(stream) is MISSED
        await messages.publish("c", 1)
        assert await _next(stream) == 1


async def test_says_that_messages_are_missing_after_too_many(
    worker: PostgreSQLMessages, publisher: PostgreSQLMessages, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscription, "MAX_UNREAD", 3)
    async with worker.subscribe("c") as slow, worker.subscribe("c") as fast:
        for number in range(5):
            await publisher.publish("c", number)
            assert await _next(fast) == number

        assert [await _next(slow) for _ in range(3)] == [MISSED, 3, 4]


async def test_a_subscription_ends_with_its_block_also_by_cancellation(
    worker: PostgreSQLMessages, publisher: PostgreSQLMessages
) -> None:
    async def listen() -> None:
        async with worker.subscribe("c") as stream:
            async for _ in stream:
                listening.set()

    listening = asyncio.Event()
    task = asyncio.create_task(listen())
    async with worker.subscribe("c") as stream:
        await publisher.publish("c", 1)
        await asyncio.wait_for(listening.wait(), PATIENCE)
        task.cancel()
        await asyncio.wait([task])
        await publisher.publish("c", 2)

        assert [await _next(stream), await _next(stream)] == [1, 2]
    assert (task.cancelled(), dict(worker._subscriptions)) == (True, {})


@pytest.mark.usefixtures("app")  # it configures the logging
async def test_a_handler_that_fails_is_called_again(
    worker: PostgreSQLMessages, publisher: PostgreSQLMessages, caplog: pytest.LogCaptureFixture
) -> None:
    async def handle(message: Message) -> None:
        handled.put_nowait(message)
        if message == 1:
            raise ZeroDivisionError

    handled: asyncio.Queue[Message] = asyncio.Queue()
    async with worker.handle("c", handle):
        for number in (1, 2):
            await publisher.publish("c", number)

        assert [await asyncio.wait_for(handled.get(), PATIENCE) for _ in range(2)] == [1, 2]
    assert dict(worker._subscriptions) == {}
    assert "message not handled" in caplog.text


@pytest.mark.parametrize(
    ("url", "advice"),
    [
        ("postgresql+asyncpg://host/database?pgbouncer=true", "remove pgbouncer=true"),
        ("sqlite+aiosqlite://", "notifications of PostgreSQL"),
        ("postgresql+asyncpg://host/database", "only while the service runs"),
    ],
)
async def test_says_why_a_process_cannot_receive_messages(url: str, advice: str) -> None:
    messages = PostgreSQLMessages(Database(make_url(url)))

    async with AsyncExitStack() as stack:
        with pytest.raises(ConfigurationError, match=advice):
            await stack.enter_async_context(messages.subscribe("c"))
    if "sqlite" in url:
        with pytest.raises(ConfigurationError, match=advice):
            await messages.publish("c", 1)
