"""`make openapi` and the check of the committed file, on a file of the test."""

import json
from pathlib import Path
from typing import Any

import pytest

from chassis.dev.openapi import __main__ as openapi_file


@pytest.fixture(name="file")
def _file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "openapi.json"
    monkeypatch.setattr(openapi_file, "FILE", file)
    monkeypatch.setattr(openapi_file, "read_api", lambda: read(file.with_name("api.json")))
    return file


def read(file: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return document


def serve(file: Path, *paths: str, title: str = "A service") -> None:
    """Let the service have these paths."""
    operation = {"get": {"operationId": "x", "responses": {}}}
    document = {"info": {"title": title}, "paths": dict.fromkeys(paths, operation)}
    file.with_name("api.json").write_text(json.dumps(document), encoding="utf-8")


def test_writes_the_document(file: Path) -> None:
    serve(file, "/größe")

    assert openapi_file.main("check") == openapi_file.UPDATE
    assert openapi_file.main("write") is None
    assert read(file)["paths"].keys() == {"/größe"}
    assert "größe" in file.read_text(encoding="utf-8")
    assert openapi_file.main("check") is None


def test_finds_an_addition_that_is_not_written(file: Path) -> None:
    serve(file, "/a")
    openapi_file.main("write")
    serve(file, "/a", "/b")

    assert openapi_file.main("check") == openapi_file.UPDATE
    assert openapi_file.main("write") is None
    assert read(file)["paths"].keys() == {"/a", "/b"}


def test_refuses_a_breaking_change_until_it_is_acknowledged(file: Path) -> None:
    serve(file, "/a", "/b")
    openapi_file.main("write")
    serve(file, "/a")

    for command in ("check", "write"):
        refusal = openapi_file.main(command)
        assert refusal is not None
        assert "GET /b is gone" in refusal
        assert "BREAKING=1" in refusal
    assert read(file)["paths"].keys() == {"/a", "/b"}
    assert openapi_file.main("write", "--breaking") is None
    assert openapi_file.main("check") is None


def test_does_not_compare_the_name_of_the_service(file: Path) -> None:
    serve(file, "/a")
    openapi_file.main("write")
    serve(file, "/a", title="Another name, from the environment")

    assert openapi_file.main("check") is None
