"""Answers that the hooks refuse, the messages they give, and the files they leave alone or clean up."""

import json
import runpy
import shlex
from pathlib import Path
from typing import Any

import pytest
from cookiecutter.exceptions import FailedHookException, OutputDirExistsException
from cookiecutter.main import cookiecutter
from cookiecutter.utils import create_env_with_context

from support.template import ROOT, Generate

PRE = runpy.run_path(str(ROOT / "hooks" / "pre_gen_project.py"))
POST = runpy.run_path(str(ROOT / "hooks" / "post_gen_project.py"))

BAD_ANSWERS = [
    ({"project_name": "   "}, "project_name is empty: type some words"),
    ({"project_name": "x" * 101}, "project_name has 101 characters: type at most 100."),
    ({"project_name": "!!!"}, "project_slug is '': type lower-case letters"),
    ({"project_slug": ""}, "project_slug is '': type lower-case letters"),
    ({"project_slug": "My App"}, "for instance my-app."),
    ({"project_slug": "MyApp"}, "for instance myapp."),
    ({"project_slug": "my.app"}, "for instance my-app."),
    ({"project_slug": "café"}, r"project_slug is 'caf\xe9': type lower-case letters"),
    ({"project_slug": "3d-print"}, "for instance d-print."),
    ({"project_slug": "-app"}, "for instance app."),
    ({"project_slug": "app-"}, "for instance app."),
    ({"project_slug": "app\n"}, "for instance app."),
    ({"project_slug": "a" * 51}, "at most 50"),
    ({"project_slug": "."}, "for instance my-service."),
    ({"project_slug": ".."}, "for instance my-service."),
    ({"project_slug": "../app"}, "for instance app."),
    ({"project_slug": "team/app"}, "for instance team-app."),
    ({"project_slug": "team\\app"}, "for instance team-app."),
    ({"project_slug": "'''"}, "for instance my-service."),
    ({"project_slug": "Src"}, "for instance src-service."),
    ({"project_slug": "src"}, "project_slug is 'src', which means something else already"),
    ({"project_slug": "tests"}, "type tests-service."),
    ({"project_slug": "migrations"}, "type migrations-service."),
    ({"project_slug": "class"}, "type class-service."),
    ({"project_slug": "json"}, "type json-service."),
    ({"project_slug": "con"}, "type con-service."),
    ({"project_slug": "on"}, "type on-service."),
    ({"project_slug": "null"}, "type null-service."),
    ({"project_description": "one\ntwo"}, "project_description contains a line break"),
    ({"project_description": "a\x00b"}, "contains a line break or a control character"),
    ({"project_description": "a\u2028b"}, "contains a line break or a control character"),
    ({"project_description": "it is '''so'''"}, "project_description contains '''"),
    ({"project_description": "x" * 301}, "project_description has 301 characters"),
    ({"author_name": ""}, "author_name is empty: type some words"),
    ({"author_name": "A\tB"}, "author_name contains a line break or a control character"),
    ({"service_prefix": "my service"}, "service_prefix is 'my service': type a plain path"),
    ({"service_prefix": "../admin"}, "or leave it empty."),
    ({"service_prefix": "a/./b"}, "service_prefix is 'a/./b'"),
    ({"service_prefix": "a?b"}, "service_prefix is 'a?b'"),
    ({"service_prefix": "a%20b"}, "service_prefix is 'a%20b'"),
    ({"service_prefix": "a\nb"}, "service_prefix is 'a\\nb'"),
]


@pytest.mark.parametrize(("answers", "sentence"), BAD_ANSWERS)
def test_refuses_a_bad_answer_before_it_writes_anything(
    answers: dict[str, str], sentence: str, generate: Generate, tmp_path: Path
) -> None:
    (tmp_path / "inside").mkdir()

    with pytest.raises(FailedHookException) as refusal:
        generate(tmp_path / "inside", **answers)

    assert sentence in str(refusal.value)
    assert [path.name for path in tmp_path.rglob("*")] == ["inside"]


def test_reports_all_bad_answers_at_once(generate: Generate) -> None:
    with pytest.raises(FailedHookException) as refusal:
        generate(project_slug="src", author_name="", service_prefix="?")

    assert [line.split(" ", 1)[0] for line in str(refusal.value).splitlines()] == [
        "author_name",
        "project_slug",
        "service_prefix",
    ]


def test_refuses_bad_answers_in_a_replay(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    answers = json.loads((ROOT / "cookiecutter.json").read_text(encoding="utf-8"))
    answers |= {"project_slug": "src", "project_name": "x", "author_name": "'''\"\\"}
    replay = tmp_path / "replay.json"
    replay.write_text(json.dumps({"cookiecutter": answers}), encoding="utf-8")
    output = tmp_path / "output"

    with pytest.raises(FailedHookException):
        cookiecutter(
            str(ROOT),
            replay=str(replay),
            output_dir=str(output),
            default_config={"replay_dir": str(tmp_path)},
        )

    printed = capfd.readouterr().err
    assert "project_slug is 'src', which means something else already" in printed
    assert "author_name contains '''" in printed
    assert not list(output.iterdir())


@pytest.mark.parametrize("answer", [{"license": "GPL"}, {"python_version": "3.10"}])
def test_names_the_choices_after_an_answer_that_is_not_among_them(
    answer: dict[str, str], generate: Generate, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="but the choices are"):
        generate(tmp_path, **answer)

    assert not list(tmp_path.iterdir())


def test_does_not_overwrite_an_existing_folder(generate: Generate, tmp_path: Path) -> None:
    project = generate(tmp_path)
    (project / ".env").write_text("MINE=1\n", encoding="utf-8")

    with pytest.raises(OutputDirExistsException, match=r"my-service.* already exists"):
        generate(tmp_path)

    assert (project / ".env").read_text(encoding="utf-8") == "MINE=1\n"


@pytest.mark.parametrize("slug", ["a", "my-service", "my_service", "a1-b2_c3", "todo-api", "a" * 50])
def test_accepts_a_plain_slug(slug: str) -> None:
    assert not list(PRE["problems_of_slug"](slug))


@pytest.mark.parametrize("prefix", ["", "/", "example", "/example/", "team/v1.2/my_~app"])
def test_accepts_a_plain_prefix(prefix: str) -> None:
    assert not list(PRE["problems_of_prefix"](prefix))


@pytest.mark.parametrize("text", ['O\'Brien & "Söhne"', "C:\\new\\", "日本語 🎉", "''", "{{ x }}"])
def test_accepts_any_text_of_one_line(text: str) -> None:
    assert not list(PRE["problems_of_text"]("project_name", text))


@pytest.mark.parametrize("slug", ["Src", "../CON", "3d", "!", "Class", "x" * 60, "a" * 49 + "-b"])
def test_suggests_a_slug_that_it_accepts(slug: str) -> None:
    assert not list(PRE["problems_of_slug"](PRE["suggested"](slug)))


def test_keeps_existing_settings(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("SQLALCHEMY_DATABASE_URI=x\n", encoding="utf-8")

    POST["write_settings"](tmp_path)

    assert (tmp_path / ".env").read_text(encoding="utf-8") == "SQLALCHEMY_DATABASE_URI=x\n"


def test_removes_caches_that_tools_left_in_the_template(tmp_path: Path) -> None:
    for left in (".mypy_cache/3.11", "src/api/__pycache__"):
        (tmp_path / left).mkdir(parents=True)

    POST["remove_caches"](tmp_path)

    assert sorted(path.name for path in tmp_path.rglob("*")) == ["api", "src"]


@pytest.mark.parametrize(
    ("start", "folder"),
    [("ann", "my-service"), (".", "ann/my-service"), ("ann/src", "{project}")],
)
def test_prints_the_folder_of_the_project_and_the_next_commands(
    start: str, folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tmp_path / "ann" / "my-service"
    monkeypatch.setenv("PWD", str(tmp_path / start))

    printed = POST["next_commands"](project)

    assert f"cd {shlex.quote(str(Path(folder.format(project=project))))}\n" in printed
    assert "make run" in printed
    assert "make test" in printed
    assert ".venv/bin/quart generate entity" in printed


@pytest.mark.parametrize("hook", ["pre_gen_project.py", "post_gen_project.py"])
def test_a_hook_receives_each_answer_unchanged(hook: str) -> None:
    answers = {"a": "'''", "b": '"""', "c": "\\", "d": "\\'", "e": "", "f": "日本\u2028{{ x }}{% y"}
    context = {"cookiecutter": answers, "template_folder": str(ROOT)}
    source = (ROOT / "hooks" / hook).read_text(encoding="utf-8")

    rendered = create_env_with_context(context).from_string(source).render(**context)

    names: dict[str, Any] = {"__name__": "hook"}
    exec(compile(rendered, hook, "exec"), names)  # noqa: S102 - as cookiecutter does
    assert json.loads(names["ANSWERS"]) == answers
