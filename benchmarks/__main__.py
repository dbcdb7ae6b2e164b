"""Compares a generated service with others, and writes the results into docs/performance.md.

usage: python -m benchmarks PROJECT ROUNDS   with an empty PostgreSQL in SQLALCHEMY_DATABASE_URI
"""

import os
import signal
import sys
from pathlib import Path

from benchmarks.chart import draw
from benchmarks.measure import prepare, run_round
from benchmarks.report import describe, write_page
from benchmarks.results import Results


def main(project: Path, rounds: int) -> None:
    places, results = prepare(project, os.environ["SQLALCHEMY_DATABASE_URI"]), Results()
    for number in range(rounds):
        print(f"Round {number + 1} of {rounds}", flush=True)
        run_round(results, places, number)
    text = describe(results, rounds, places.postgres)
    print(text)
    draw(results)
    write_page(text)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # stop the servers, too
    main(Path(sys.argv[1]).resolve(), int(sys.argv[2]))
