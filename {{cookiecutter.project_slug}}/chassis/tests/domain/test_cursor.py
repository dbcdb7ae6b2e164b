import enum
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from uuid import UUID

import pytest

from chassis.domain.cursor import cursor_scope, read_cursor, write_cursor
from chassis.domain.exceptions import ValidationError
from chassis.domain.sorting import SortField

VALUES = [
    None,
    True,
    False,
    0,
    -(2**63),
    0.1,
    float("inf"),
    "",
    'é"\x00\n',
    Decimal("1.10"),
    date(2026, 1, 31),
    datetime(2026, 1, 31, 23, 59, 59, 999_999, UTC),
    datetime(2026, 1, 31),  # noqa: DTZ001 - a column may have no time zone
    time(1, 2, 3, 4),
    timedelta(days=-1, microseconds=1),
    UUID(int=1),
    b"\x00\xff",
]


class Size(enum.IntEnum):
    LARGE = 1


def test_reads_what_it_has_written() -> None:
    values = read_cursor(write_cursor(VALUES, "scope"), "scope", len(VALUES))

    assert values == VALUES
    assert [type(value) for value in values] == [type(value) for value in VALUES]


def test_writes_a_member_of_an_enum_by_its_name() -> None:
    assert read_cursor(write_cursor([Size.LARGE], ""), "", 1) == ["LARGE"]


def test_consists_of_characters_that_need_no_escape_in_a_url() -> None:
    assert write_cursor(VALUES, "scope").replace("-", "").replace("_", "").isalnum()


def test_is_invalid_in_another_scope_and_with_another_number_of_values() -> None:
    cursor = write_cursor([1], "scope")

    for scope, length in (("other", 1), ("scope", 2)):
        with pytest.raises(ValidationError):
            read_cursor(cursor, scope, length)


def test_refuses_types_that_it_cannot_read_and_values_that_are_too_long() -> None:
    with pytest.raises(TypeError, match="sort by another field"):
        write_cursor([object()], "scope")
    with pytest.raises(ValidationError):
        write_cursor(["a" * 5000], "scope")


def test_a_scope_is_the_same_for_sets_in_any_order() -> None:
    order = [SortField("id")]

    assert cursor_scope("a", order, {"x": {"b", "a", "c"}}) == cursor_scope("a", order, {"x": {"c", "b", "a"}})
    assert cursor_scope("a", order, {"x": 1, "y": 2}) == cursor_scope("a", order, {"y": 2, "x": 1})
    assert cursor_scope("a", order, {"x": 1}) != cursor_scope("a", order, {"x": "1"})
    assert cursor_scope("a", order, {}) != cursor_scope("a", [SortField("id", descending=True)], {})
