import pytest

from chassis.domain.exceptions import ForbiddenError, UnauthenticatedError
from chassis.maintenance import access as maintenance_access
from chassis.maintenance.access import MaintenanceAccess

TOKEN = "a-token-of-some-length"


def test_the_token_lets_in() -> None:
    MaintenanceAccess(TOKEN, allow_without_token=False).check(TOKEN)


@pytest.mark.parametrize("token", [None, "", f"{TOKEN}x", "é"])
def test_anything_else_does_not(token: str | None) -> None:
    with pytest.raises(UnauthenticatedError):
        MaintenanceAccess(TOKEN, allow_without_token=True).check(token)


def test_without_a_token_anybody_gets_in_where_developers_work() -> None:
    MaintenanceAccess(None, allow_without_token=True).check("")


def test_without_a_token_nobody_gets_in_elsewhere() -> None:
    with pytest.raises(ForbiddenError, match="MAINTENANCE_TOKEN"):
        MaintenanceAccess(None, allow_without_token=False).check("")


def test_a_wrong_token_takes_as_long_as_the_right_one(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[bytes, bytes]] = []

    def compare(given: bytes, expected: bytes) -> bool:
        compared.append((given, expected))
        return True

    monkeypatch.setattr(maintenance_access, "compare_digest", compare)

    MaintenanceAccess(TOKEN, allow_without_token=False).check("x")

    assert compared == [(b"x", TOKEN.encode())]
