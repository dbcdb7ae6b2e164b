from pathlib import Path

from chassis.dev.generate.changes import Change
from chassis.dev.generate.revisions import advice

FILE = Path("migrations/versions/1_okapi.py")


def test_says_what_to_do_next() -> None:
    hint, last = advice([Change(FILE, b"", None)], has_migration=True)

    assert "restore its file" in hint
    assert last == "Next: make check"
    assert advice([Change(FILE, None, b"")], has_migration=True)[0].startswith("Next: make run or make dev")
    assert advice([], has_migration=False)[0].startswith("Next: quart db migrate, make run")
