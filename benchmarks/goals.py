"""Goals limit the cost of a request, compared with others; each has one value a round."""

from dataclasses import dataclass

from benchmarks.cases import CREATE, LIST, ONE, PING, REFUSED
from benchmarks.results import Results
from benchmarks.servers import FASTAPI, FLOOR, HYPERCORN_OURS

OURS = HYPERCORN_OURS.name
IN_PROCESS = "in process"
Measured = tuple[str, str]  # a server and a case


@dataclass(frozen=True)
class Goal:
    """A limit for a quantity, or for how many times as large it is as that of `other`."""

    name: str
    limit: str
    quantity: str
    measured: Measured
    other: Measured | None = None

    def values(self, results: Results) -> list[float]:
        if self.other is None:
            return results.values(*self.measured, self.quantity)
        return results.ratios(self.quantity, self.measured, self.other)


def cpu(name: str, limit: str, measured: Measured, other: Measured) -> Goal:
    return Goal(name, limit, "microseconds", measured, other)


GOALS = (
    cpu("one, against FastAPI", "≤ 0.9", (OURS, ONE.name), (FASTAPI.name, ONE.name)),
    cpu("list, against FastAPI", "≤ 0.6", (OURS, LIST.name), (FASTAPI.name, LIST.name)),
    cpu("create, against FastAPI", "≤ 0.9", (OURS, CREATE.name), (FASTAPI.name, CREATE.name)),
    cpu("one, against the floor", "≤ 2.0", (OURS, ONE.name), (FLOOR.name, ONE.name)),
    cpu("list, against the floor", "≤ 2.0", (OURS, LIST.name), (FLOOR.name, LIST.name)),
    cpu("`Repository.get`, against its SQL on asyncpg", "≤ 1.8", (IN_PROCESS, "get"), (IN_PROCESS, "SQL of get")),
    cpu(
        *("`Repository.get_all`, against its SQL on asyncpg", "≤ 1.8"),
        *((IN_PROCESS, "get_all"), (IN_PROCESS, "SQL of get_all")),
    ),
    cpu("`/health/live` in process, against Quart", "≤ 1.3", (IN_PROCESS, "live"), (IN_PROCESS, "live of Quart")),
    cpu("`/health/live` in process, against a refusal", "≥ 3", (IN_PROCESS, "live"), (IN_PROCESS, "refused")),
    cpu("ping on Hypercorn, against a refusal", "", (OURS, PING.name), (OURS, REFUSED.name)),
    Goal(
        *("the last of a million rows by keyset, against the first", "≤ 1.2", "milliseconds"),
        *((IN_PROCESS, "last page"), (IN_PROCESS, "first page")),
    ),
    Goal("resident memory, in MiB", "≤ 110", "mebibytes", (OURS, "memory")),
    Goal(
        *("two instances behind nginx, against one", "≥ 1.8", "rate"),
        *(("nginx", "instances: 2"), ("nginx", "instances: 1")),
    ),
)
