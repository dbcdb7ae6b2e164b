"""The commands to type next, which depend on the revisions that a command has written or removed."""

from collections.abc import Sequence
from pathlib import Path

from chassis.dev.generate.changes import Change

VERSIONS = Path("migrations/versions")
CHECK = "Next: make check"
START = "make run or make dev (restart it if it is running), then make check"
RESTORE = "If another database has the removed migration, restore its file and run quart db downgrade there."


def advice(changes: Sequence[Change], *, has_migration: bool) -> list[str]:
    """Return lines that say what to do after these changes."""
    verbs = {change.verb for change in changes if change.path.parent == VERSIONS}
    if "remove" in verbs:
        return [RESTORE, CHECK]
    if "write" in verbs:
        return [f"Next: {START}"]
    return [CHECK if has_migration else f"Next: quart db migrate, {START}"]
