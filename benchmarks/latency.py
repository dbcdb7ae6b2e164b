"""A proxy in front of PostgreSQL that delivers each answer some milliseconds later, as from another data centre.

usage: python -m benchmarks.latency SOCKET PORT MILLISECONDS
"""

import asyncio
import sys

import uvloop


async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay: float) -> None:
    """Write what is read, each part after the delay."""
    loop = asyncio.get_running_loop()
    while data := await reader.read(65536):
        loop.call_later(delay, writer.write, data)
    loop.call_later(delay, writer.close)


async def main(path: str, port: int, milliseconds: float) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        database, to_database = await asyncio.open_unix_connection(path)
        await asyncio.gather(forward(reader, to_database, 0), forward(database, writer, milliseconds / 1000))

    server = await asyncio.start_server(serve, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))
