"""Changes the message of the window behind the back of a command: `python -m … <URL of the database>`."""

import asyncio
import sys

import asyncpg


async def change_message(url: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute("UPDATE service_context SET message = 'Longer', version = version + 1")
    await connection.close()


if __name__ == "__main__":
    asyncio.run(change_message(sys.argv[1]))
