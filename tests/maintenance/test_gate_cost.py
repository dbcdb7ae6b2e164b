"""The order of magnitude of what layers cost, in CPU time of calls in one process, is as expected."""

import json
from pathlib import Path

import pytest

from support.report import note
from support.service import Commands
from support.template import ROOT

pytestmark = pytest.mark.alone
ROUNDS = "10"


@pytest.fixture(name="microseconds", scope="module")
def _microseconds(project: Path, commands: Commands) -> dict[str, float]:
    """The costs of calls, by their names in benchmarks/in_process.py."""
    result = commands.run(project, "python", "-m", "benchmarks.in_process", ROUNDS, PYTHONPATH=str(ROOT))
    assert result.returncode == 0, result.stderr
    costs: dict[str, float] = json.loads(result.stdout)
    return costs


def test_an_open_gate_costs_microseconds_and_a_refusal_less_than_a_view(microseconds: dict[str, float]) -> None:
    added = microseconds["open gate"] - microseconds["nothing"]
    refused, served = (1e6 / microseconds[name] for name in ("refused", "live"))

    note(f"window: the open gate adds {added:.2f} µs, {refused:,.0f} refusals or {served:,.0f} answers a second")
    assert added < 20
    assert refused > 3 * served  # the goal; a faster view makes the ratio smaller


def test_the_log_line_of_a_request_costs_microseconds(microseconds: dict[str, float]) -> None:
    line = microseconds["answer with id and line"] - microseconds["answer with id"]
    identity = microseconds["answer with id"] - microseconds["answer"]

    note(f"access log: the line adds {line:.1f} µs, the id {identity:.1f} µs")
    assert 0 < line < 300
    assert 0 < identity < 300
