"""Everything that has been measured: for each server, case and quantity one value of each round."""

from collections import defaultdict
from statistics import median


class Results:
    """Keeps values in the order of the rounds, so that a ratio compares values of the same round."""

    def __init__(self) -> None:
        self._values: dict[tuple[str, str, str], list[float]] = defaultdict(list)

    def add(self, server: str, case: str, **quantities: float) -> None:
        for quantity, value in quantities.items():
            self._values[server, case, quantity].append(value)

    def values(self, server: str, case: str, quantity: str) -> list[float]:
        """Return one value of each round, or nothing if this has not been measured."""
        return self._values.get((server, case, quantity), [])

    def median(self, server: str, case: str, quantity: str) -> float | None:
        values = self.values(server, case, quantity)
        return median(values) if values else None

    def ratios(self, quantity: str, first: tuple[str, str], second: tuple[str, str]) -> list[float]:
        """Return for each round how many times as large the first is; both are a server and a case."""
        return [a / b for a, b in zip(self.values(*first, quantity), self.values(*second, quantity), strict=True)]
