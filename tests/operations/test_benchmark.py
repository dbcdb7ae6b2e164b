"""The benchmark compares servers that answer the same, and its page explains what it writes."""

import re
from contextlib import ExitStack
from pathlib import Path

from benchmarks.answers import answers
from benchmarks.cases import CASES
from benchmarks.servers import FLOOR, QUART, SERVERS
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


def test_the_page_explains_every_server_and_case_and_has_a_place_for_their_results() -> None:
    page = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    explanation, _, _ = page.partition("## Results")
    explained = {
        name for row in re.findall(r"^\| ([\w ,-]+) \|", explanation, re.MULTILINE) for name in row.split(", ")
    }

    assert {each.name for each in (*SERVERS, *CASES)} <= explained
    assert re.findall("<!-- benchmark (.+) -->", page) == re.findall("<!-- end (.+) -->", page) == ["3.11", "3.13"]
