"""Follows a page of documentation as its reader does: adds its code to a project, and runs its commands there.

Code below a heading that names a file is written to that file, and a ```diff block changes it.
Each line after `$` in a ```console block is run, and has to print what the page shows below it,
where `…` stands for any text. All other blocks are fragments, which are not executed.
"""

import re
import subprocess
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from support.service import Commands, Service

PART = re.compile(r"^(#+ .+)$|^```(\w+)\n([\s\S]*?)^```", re.MULTILINE)
FILE = re.compile(r"`(\S+\.\w+)`")
COMMAND = re.compile(r"^\$ (.+)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)
RUN = re.compile(r"((?:\w+=\S* )*)make run")
SETTING = re.compile(r"(\w+)=(\S*)")
SHOWN_ADDRESS = "127.0.0.1:7000"


@dataclass(frozen=True)
class Block:
    heading: str
    language: str
    text: str

    @property
    def file(self) -> str | None:
        found = FILE.search(self.heading)
        return found[1] if found and self.language in ("python", "diff", "yaml") else None

    @property
    def commands(self) -> list[tuple[str, str]]:
        """Each command with the output that the page shows."""
        return COMMAND.findall(self.text) if self.language == "console" else []

    @property
    def is_executable(self) -> bool:
        return bool(self.file or self.commands)


def blocks(page: Path) -> list[Block]:
    result, heading = [], ""
    for title, language, text in PART.findall(page.read_text(encoding="utf-8")):
        heading = title or heading
        if language:
            result.append(Block(heading, language, text))
    return result


class Reader:
    """Executes blocks in a project; `make run` goes on in the background until the next one, or the end."""

    def __init__(self, project: Path, commands: Commands, settings: dict[str, str] | None = None) -> None:
        self._project = project
        self._commands = commands
        self._settings = settings or {}
        self._service: Service | None = None
        self._stack = ExitStack()
        self._link_environment()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()

    def follow(self, blocks: list[Block]) -> None:
        for block in blocks:
            add_file(self._project, block)
            for command, shown in block.commands:
                self.type(command, shown.strip())

    def type(self, command: str, shown: str = "") -> None:
        """Run a command, which has to succeed, and to print what is shown unless that is empty."""
        if run := RUN.fullmatch(command):
            self._make_run(dict(SETTING.findall(run[1])))
            return
        printed = self._run(command)
        pattern = ".*".join(re.escape(part) for part in shown.split("…"))
        assert not shown or re.fullmatch(pattern, printed, re.DOTALL), f"{command}\n{printed}"

    def _run(self, command: str) -> str:
        if command.startswith("curl "):
            if self._service is None:
                self._make_run({})
            assert self._service is not None
            command = command.replace("curl ", "curl --silent ", 1)
            command = command.replace(SHOWN_ADDRESS, f"127.0.0.1:{self._service.port}")
        result = subprocess.run(
            command,
            shell=True,
            cwd=self._project,
            env=self._commands.environment(self._settings),
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 0, f"{command}\n{result.stdout}{result.stderr}"
        return result.stdout.strip()

    def _make_run(self, settings: dict[str, str]) -> None:
        self._stack.close()
        prefix = settings.get("SERVICE_PREFIX", "").strip("/")
        path = f"/{prefix}/health/live" if prefix else "/health/live"
        make = ("make", "run", "PORT={port}")
        settings = {**self._settings, **settings}
        service = self._commands.serve(self._project, *make, answers=path, **settings)
        self._service = self._stack.enter_context(service)

    def _link_environment(self) -> None:
        """Let `make install` find everything installed."""
        environment = self._commands.folder.parent
        (environment / "installed").touch()
        if not (self._project / ".venv").exists():
            (self._project / ".venv").symlink_to(environment)


def add_file(project: Path, block: Block) -> None:
    """Write or change the file of the block, if it has one."""
    if block.file and block.language == "diff":
        patch(project / block.file, block.text)
    elif block.file:
        write(project / block.file, block.text)


def write(path: Path, code: str) -> None:
    """Write a new file, or add to an existing one: imports at the top, class members and functions at the end.

    Code that the file has already is only shown by the page, for instance what a command has written.
    """
    if not path.exists():
        path.write_text(code, encoding="utf-8")
        return
    text = path.read_text(encoding="utf-8")
    if code in text:
        return
    if code.startswith("from "):
        text = text.replace("\nfrom ", f"\n{code}from ", 1)
    elif code.startswith("    "):
        for line in code.splitlines(keepends=True):
            text = set_member(text, line)
    else:
        text = f"{text}\n\n{code}"
    path.write_text(text, encoding="utf-8")


def set_member(text: str, line: str) -> str:
    """Replace the line that assigns to the same name, or append the line if there is none."""
    name = re.escape(line.split("=")[0])
    replaced, count = re.subn(rf"^{name}=.*\n", line, text, flags=re.MULTILINE)
    return replaced if count else text + line


def patch(path: Path, diff: str) -> None:
    """Apply hunks, which lines `@@` separate, each to the only place that it matches."""
    text = path.read_text(encoding="utf-8")
    for hunk in diff.split("@@\n"):
        lines = [(line[0], line[1:]) for line in hunk.splitlines(keepends=True)]
        before, after = ("".join(line for sign, line in lines if sign in signs) for signs in (" -", " +"))
        assert text.count(before) == 1, before
        text = text.replace(before, after)
    path.write_text(text, encoding="utf-8")
