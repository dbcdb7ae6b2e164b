from pathlib import Path

import pytest

from chassis.dev.generate.merging import merge
from chassis.dev.generate.refusal import GeneratorError

PATH = Path("book.py")
BEFORE = """from datetime import date

Title = str


class Book:
    id: int
    title: str
    sort: str = sort_by("title")


def create(**values):
    data = {"title": "a", **values}
"""
AFTER = """from datetime import date
from decimal import Decimal

Title = str
Price = Decimal


class Book:
    id: int
    title: str
    price: Decimal
    sort: str = sort_by("title", "price")


def create(**values):
    data = {"title": "a", "price": "1", **values}
"""


def test_changes_nothing_but_what_differs() -> None:
    assert merge(PATH, BEFORE, BEFORE, AFTER) == AFTER


def test_keeps_what_was_changed_by_hand() -> None:
    current = BEFORE.replace("    title: str\n", "    title: str\n    own: int  # ours\n\n    def rule(self): ...\n\n")
    current = current.replace('sort_by("title")', 'sort_by("own", "title")').replace('"a", **', '"a", "own": 1, **')

    assert merge(PATH, current, BEFORE, AFTER) == (
        AFTER.replace("    price: Decimal\n", "    price: Decimal\n    own: int  # ours\n\n    def rule(self): ...\n\n")
        .replace('sort_by("title", "price")', 'sort_by("own", "title", "price")')
        .replace('"a", "price": "1", **', '"a", "own": 1, "price": "1", **')
    )


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("class Book:", "class Paper:", "has no `Book`"),
        ("    id: int", "    price: int", "has `price` already"),
        ('sort_by("title")', "None", "`sort` in book.py was changed by hand"),
        ('    data = {"title": "a", **values}', "    return None", "`create` in book.py was changed by hand"),
    ],
)
def test_refuses_what_it_does_not_understand(old: str, new: str, reason: str) -> None:
    with pytest.raises(GeneratorError, match=reason):
        merge(PATH, BEFORE.replace(old, new), BEFORE, AFTER)
