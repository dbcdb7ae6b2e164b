from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chassis.domain.exceptions import ValidationError
from chassis.maintenance.service_context import values_to_store

NOW = datetime(2026, 1, 31, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)


@pytest.mark.parametrize(
    ("data", "values"),
    [
        ({"maintenance": True}, {"maintenance": True, "since": NOW}),
        ({"maintenance": True, "message": "a"}, {"maintenance": True, "message": "a", "since": NOW}),
        ({"message": None, "expected_end": LATER}, {"message": None, "expected_end": LATER}),
        ({"message": "a" * 500}, {"message": "a" * 500}),
        (
            {"maintenance": False, "message": None},
            {"maintenance": False, "message": None, "expected_end": None, "since": None},
        ),
    ],
)
def test_returns_the_columns_that_a_change_sets(data: dict[str, Any], values: dict[str, Any]) -> None:
    assert values_to_store(data, at=NOW) == values


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({"maintenance": True, "expected_end": NOW}, "expected_end"),
        ({"expected_end": NOW - timedelta(days=1)}, "expected_end"),
        ({"maintenance": True, "expected_end": NOW.replace(year=9999)}, "expected_end"),
        ({"maintenance": False, "message": "a"}, "message"),
        ({"message": "a" * 501}, "message"),
        ({"maintenance": False, "expected_end": LATER}, "expected_end"),
    ],
)
def test_names_the_field_of_an_invalid_change(data: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError) as raised:
        values_to_store(data, at=NOW)

    assert list(raised.value.message) == [field]
