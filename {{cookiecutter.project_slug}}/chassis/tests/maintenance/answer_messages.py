"""A second process: it answers each message on the channel `question`: `python -m … <URL of the database>`."""

import asyncio
import sys
from functools import partial

from sqlalchemy import make_url

from chassis.domain.messages import Message, Messages
from chassis.tests.maintenance.workers import run_worker


async def _answer(messages: Messages, message: Message) -> None:
    await messages.publish("answer", {"to": message})


async def _run(url: str) -> None:
    async with run_worker(make_url(url)) as messages, messages.handle("question", partial(_answer, messages)):
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(_run(sys.argv[1]))
