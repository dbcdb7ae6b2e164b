"""A periodic task starts each of its runs as a background task, so a drain waits for the run, and not for the loop."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import wraps

Job = Callable[[], Awaitable[None]]


@asynccontextmanager
async def run_every(
    seconds: float, job: Job, *, start: Callable[[Job], None], is_paused: Callable[[], bool]
) -> AsyncIterator[None]:
    """Start the job every `seconds` while the block runs, but never twice at once; leaving does not end a run."""

    async def repeat() -> None:
        while True:
            await asyncio.sleep(seconds)
            if not is_paused():
                await _run(job, start)

    task = asyncio.create_task(repeat())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def _run(job: Job, start: Callable[[Job], None]) -> None:
    ended = asyncio.Event()

    @wraps(job)
    async def run() -> None:
        try:
            await job()
        finally:
            ended.set()

    start(run)
    await ended.wait()
