"""Rules of the domain need neither a database nor an application."""

import pytest

from chassis.domain.exceptions import ValidationError
from src.domain.todo import require_title


@pytest.mark.parametrize("title", ["", " ", "\t\n", "\u00a0"])
def test_refuses_a_blank_title(title: str) -> None:
    with pytest.raises(ValidationError, match="title: must not be blank"):
        require_title(title)


def test_accepts_a_title_with_a_visible_character() -> None:
    require_title(" a ")
