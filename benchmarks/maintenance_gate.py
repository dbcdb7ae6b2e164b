"""Measures the cost of the maintenance gate: per call while it is open, per refusal while it is closed.

usage: PYTHON benchmarks/maintenance_gate.py [PROJECT]

PYTHON belongs to a generated project, for instance .venv/bin/python; PROJECT is its folder, by default the template.
"""

import asyncio
import statistics
import sys
from importlib import import_module
from pathlib import Path

from asgi_calls import CALLS, ROUNDS, time_alternately, request

TEMPLATE = Path(__file__).resolve().parent.parent / "{{cookiecutter.project_slug}}"
SETTINGS = {
    "APP_ENV": "testing",
    "SQLALCHEMY_DATABASE_URI": "postgresql://nobody@127.0.0.1:1/nothing",  # nobody connects
    "LOG_LEVEL": "WARNING",
}


async def nothing(_scope: object, _receive: object, _send: object) -> None:
    """The application behind the gate, so that the difference is the gate."""


async def main() -> None:
    create_app = import_module("src.create_app").create_app
    app = create_app(import_module("src.config").Config.load(_env_file=None, **SETTINGS))
    state = app.container.maintenance_state()
    in_flight = app.container.in_flight()
    gate_class = import_module("chassis.maintenance.gate").MaintenanceGate
    gate = gate_class(nothing, state, in_flight, exempt=["/health/live", "/health/ready"], retry_after=60)
    without, _ = request(nothing, "/v1/todo")
    through, _ = request(gate, "/v1/todo")
    before, after = await time_alternately(without, through, CALLS)
    added = statistics.median(b - a for a, b in zip(before, after, strict=True))
    print(f"the open gate adds {added * 1e6:.2f} µs to a call (median of {ROUNDS} rounds)")  # noqa: T201

    context = import_module("chassis.maintenance.service_context").ServiceContext
    await state.apply_change(context(maintenance=True, version=1))
    refused, refusals = request(app, "/v1/todo")
    served, answers = request(app, "/health/live")
    refusing, serving = await time_alternately(refused, served, CALLS // 50)
    if {*refusals} != {503} or {*answers} != {200}:
        sys.exit(f"Unexpected answers: {refusals[-1]}, {answers[-1]}")
    for name, seconds in (("refused with 503", refusing), ("served by GET /health/live", serving)):
        print(f"{name}: {1 / statistics.median(seconds):,.0f} requests per second")  # noqa: T201


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    sys.path.insert(0, sys.argv[1] if len(sys.argv) > 1 else str(TEMPLATE))
    asyncio.run(main())
