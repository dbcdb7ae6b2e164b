import pytest

from chassis.domain.exceptions import ForbiddenError, UnauthenticatedError
from chassis.maintenance.access import MaintenanceAccess

TOKEN = "a-token-of-some-length"
ADDRESS = "192.0.2.1"


def test_accepts_the_token() -> None:
    MaintenanceAccess(TOKEN, allow_without_token=False).check(TOKEN, ADDRESS)


@pytest.mark.parametrize("token", [None, "", f"{TOKEN}x", "é"])
def test_refuses_a_wrong_or_missing_token(token: str | None) -> None:
    with pytest.raises(UnauthenticatedError):
        MaintenanceAccess(TOKEN, allow_without_token=True).check(token, ADDRESS)


def test_accepts_anybody_if_no_token_is_set_and_none_is_required() -> None:
    MaintenanceAccess(None, allow_without_token=True).check("", ADDRESS)


def test_refuses_everybody_if_no_token_is_set_but_one_is_required() -> None:
    with pytest.raises(ForbiddenError, match="MAINTENANCE_TOKEN"):
        MaintenanceAccess(None, allow_without_token=False).check("", ADDRESS)


def test_compares_the_whole_token_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    comparisons: list[tuple[bytes, bytes]] = []

    def compare(value: bytes, expected: bytes) -> bool:
        comparisons.append((value, expected))
        return True

    monkeypatch.setattr("chassis.maintenance.access.compare_digest", compare)

    MaintenanceAccess(TOKEN, allow_without_token=False).check("x", ADDRESS)

    assert comparisons == [(b"x", TOKEN.encode())]
