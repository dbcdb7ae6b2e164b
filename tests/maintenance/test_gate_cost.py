"""The benchmarks run, and the order of magnitude of their results, CPU time only, is as expected."""

import re
from pathlib import Path

import pytest

from support.report import note
from support.service import Commands
from support.template import ROOT

pytestmark = pytest.mark.alone


def test_an_open_gate_costs_microseconds_and_a_refusal_less_than_a_view(project: Path, commands: Commands) -> None:
    result = commands.run(ROOT, "python", "benchmarks/maintenance_gate.py", str(project))

    assert result.returncode == 0, result.stderr
    for line in result.stdout.splitlines():
        note(f"window: {line}")
    added, refused, served = (
        float(number.replace(",", "")) for number in re.findall(r"([\d.,]+) (?:µs|requests)", result.stdout)
    )
    assert added < 20
    assert refused > 5 * served


def test_the_log_line_of_a_request_costs_microseconds(project: Path, commands: Commands) -> None:
    result = commands.run(ROOT, "python", "benchmarks/access_log.py", str(project))

    assert result.returncode == 0, result.stderr
    note(f"access log: {result.stdout.strip()}")
    line, identity = (float(number) for number in re.findall(r"([\d.]+) µs", result.stdout))
    assert 0 < line < 300
    assert 0 < identity < 300
