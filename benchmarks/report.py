"""Writes the results as tables, between the markers of docs/performance.md that name the version of Python."""

import os
import platform
import re
import sys
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from pathlib import Path
from statistics import median

from benchmarks.cases import CASES, DISTANT, LIST, ONE
from benchmarks.goals import GOALS, IN_PROCESS, Goal
from benchmarks.processes import ROOT
from benchmarks.results import Results
from benchmarks.servers import SERVERS

PAGE = ROOT / "docs" / "performance.md"
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
CHART = ROOT / "docs" / "images" / f"performance-{PYTHON}.svg"
PACKAGES = (
    *("quart", "hypercorn", "sqlalchemy", "asyncpg", "pydantic", "uvloop"),
    *("fastapi", "litestar", "advanced-alchemy", "uvicorn", "granian"),
)

GOALS_EXPLANATION = """\
Ours on Hypercorn. Ratios of CPU time;
that of the pages by keyset is one of time, that of two instances of throughput."""
CALLS = ("get", "SQL of get", "get_all", "SQL of get_all", "live", "live of Quart", "refused")


def write_page(text: str) -> None:
    """Replace the part of the page for this version of Python; a page without one stays as it is."""
    begin, end = f"<!-- benchmark {PYTHON} -->\n", f"<!-- end {PYTHON} -->"
    page = PAGE.read_text(encoding="utf-8")
    written = re.sub(f"{re.escape(begin)}.*{re.escape(end)}", lambda _: f"{begin}{text}{end}", page, flags=re.DOTALL)
    PAGE.write_text(written, encoding="utf-8")


def describe(results: Results, rounds: int, postgres: str) -> str:
    """Return all tables as Markdown; a cell shows the median of the rounds, and the least and the greatest value."""
    return "\n".join(
        [
            describe_machine(rounds, postgres),
            f"![CPU time of a request, by server](images/{CHART.name})\n",
            *section("Goals", GOALS_EXPLANATION, goal_table(results)),
            *section("CPU time", "Microseconds of the serving process for a request.", cpu_table(results)),
            *section("Speed", "16 clients; requests per second, and milliseconds for an answer.", speed_table(results)),
            *section("Distance", "100 clients read one todo; the database is 20 ms away.", distance_table(results)),
            *section("Start and memory", "Memory after all cases of a round.", start_table(results)),
            *section("Calls in process", "Microseconds of CPU time.", in_process_table(results)),
        ]
    )


def describe_machine(rounds: int, postgres: str) -> str:
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return (
        f"Rounds: {rounds}. Machine: {os.cpu_count()} cores ({processor()}), {platform.system()}, "
        f"Python {platform.python_version()}, PostgreSQL {postgres}.\nPackages: {packages}.\n"
    )


def processor() -> str:
    names = re.findall(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
    return str(names[0]) if names else platform.machine()


def section(title: str, explanation: str, lines: Iterable[str]) -> list[str]:
    return [f"### {title} on Python {PYTHON}\n", f"{explanation}\n", *lines, ""]


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return [f"| {' | '.join(line)} |" for line in lines]


def goal_table(results: Results) -> list[str]:
    return table(["", "least", "median", "greatest", "goal"], (goal_row(results, goal) for goal in GOALS))


def goal_row(results: Results, goal: Goal) -> list[str]:
    values = goal.values(results)
    numbers = (min(values), median(values), max(values)) if values else ()
    return [goal.name, *([f"{each:.2f}" for each in numbers] or [""] * 3), goal.limit]


def cpu_table(results: Results) -> list[str]:
    rows = (
        [server.name, *(cell(results.values(server.name, case.name, "microseconds")) for case in CASES)]
        for server in SERVERS
    )
    return table(["", *(case.name for case in CASES)], rows)


def speed_table(results: Results) -> list[str]:
    cases, quantities = (ONE, LIST), {"rate": 0, "p50": 1, "p99": 1}
    rows = (
        [
            server.name,
            *(
                cell(results.values(server.name, case.name, name), quantities[name])
                for case in cases
                for name in quantities
            ),
        ]
        for server in SERVERS
    )
    return table(["", *(f"{case.name}: {name}" for case in cases for name in quantities)], rows)


def distance_table(results: Results) -> list[str]:
    rows = (
        [server.name, *(cell(results.values(server.name, DISTANT.name, name)) for name in ("rate", "p50", "p99"))]
        for server in SERVERS
    )
    return table(["", "requests per second", "p50 (ms)", "p99 (ms)"], rows)


def start_table(results: Results) -> list[str]:
    rows = (
        [
            server.name,
            cell(results.values(server.name, "start", "seconds"), 2),
            cell(results.values(server.name, "memory", "mebibytes")),
        ]
        for server in SERVERS
    )
    return table(["", "seconds to the first answer", "MiB resident"], rows)


def in_process_table(results: Results) -> list[str]:
    rows = ([name, cell(results.values(IN_PROCESS, name, "microseconds"))] for name in CALLS)
    return table(["", "CPU time"], rows)


def cell(values: Sequence[float], digits: int = 0) -> str:
    """Return the median, and the range if there are several rounds."""
    if not values:
        return ""
    text = f"{median(values):,.{digits}f}"
    return text if len(values) == 1 else f"{text} ({min(values):,.{digits}f}…{max(values):,.{digits}f})"
