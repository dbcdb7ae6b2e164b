from typing import Any

import pytest

from chassis.domain.pagination import MAX_PAGE, PageRequest


@pytest.mark.parametrize(
    ("query_params", "page", "per_page"),
    [
        ({}, 1, 10),
        ({"page": "3", "per_page": "20"}, 3, 20),
        ({"page": 3, "per_page": 20}, 3, 20),
        ({"page": "three", "per_page": "many"}, 1, 10),
        ({"page": "0", "per_page": "-1"}, 1, 10),
        ({"page": "", "per_page": None}, 1, 10),
        ({"per_page": "101"}, 1, 100),
        ({"page": "9" * 30}, MAX_PAGE, 10),
        ({"page": "9" * 10_000}, 1, 10),
    ],
)
def test_reads_numbers_leniently(query_params: dict[str, Any], page: int, per_page: int) -> None:
    request = PageRequest.from_params(query_params)

    assert (request.page, request.per_page) == (page, per_page)


@pytest.mark.parametrize("query_params", [{"itemized": "true"}, {"itemize": "True"}, {"itemized": True}])
def test_accepts_two_names_for_an_itemized_list(query_params: dict[str, Any]) -> None:
    assert PageRequest.from_params(query_params).itemized


@pytest.mark.parametrize("query_params", [{}, {"itemized": "false"}, {"itemized": "1"}])
def test_pages_a_list_unless_itemized_is_true(query_params: dict[str, Any]) -> None:
    assert not PageRequest.from_params(query_params).itemized


def test_skips_the_items_of_earlier_pages() -> None:
    assert PageRequest(page=3, per_page=20).offset == 40
