"""The CPU time of a server."""

import os
from pathlib import Path

TICK = 1 / os.sysconf("SC_CLK_TCK")


def family(pid: int) -> list[int]:
    """Return the process and its descendants: a server may have worker processes."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    return [pid, *(member for child in children for member in family(int(child)))]


def cpu_seconds(pid: int) -> float:
    """Return the user and system time of the process and of its descendants."""
    fields = [Path(f"/proc/{member}/stat").read_text(encoding="utf-8").rpartition(") ")[2] for member in family(pid)]
    return TICK * sum(int(each.split()[11]) + int(each.split()[12]) for each in fields)
