"""Lines that pytest prints after all tests; the hooks in conftest.py collect them from all its worker processes."""

notes: list[str] = []


def note(line: str) -> None:
    """Print a line at the end of the test run: a measurement, or what could not be tested."""
    notes.append(line)
