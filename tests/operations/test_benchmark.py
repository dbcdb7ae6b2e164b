"""The peers of the benchmark that need no further packages answer the same as the service."""

from contextlib import ExitStack
from pathlib import Path

from benchmarks.answers import answers
from benchmarks.servers import FLOOR, QUART
from support.postgres import Postgres
from support.service import Commands
from support.template import ROOT


def test_the_floor_and_quart_answer_like_the_service(project: Path, commands: Commands, postgres: Postgres) -> None:
    uri = postgres.create_database()
    postgres.execute(uri, "INSERT INTO todo (title) SELECT 'Todo ' || key FROM generate_series(1, 31) AS key")
    expected = None
    with ExitStack() as stack:
        for folder, command in ((project, ()), (ROOT, FLOOR.command), (ROOT, QUART.command)):
            server = stack.enter_context(commands.serve(folder, *command, SQLALCHEMY_DATABASE_URI=uri))
            received = answers(server.port)
            postgres.execute(uri, "DELETE FROM todo WHERE id > 31")
            expected = expected or received

            assert received == expected
