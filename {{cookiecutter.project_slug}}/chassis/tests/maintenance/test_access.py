import pytest

from chassis.domain.exceptions import ForbiddenError, UnauthenticatedError
from chassis.maintenance import access as maintenance_access
from chassis.maintenance.access import MaintenanceAccess

TOKEN = "a-token-of-some-length"


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_token_lets_in(scheme: str) -> None:
    MaintenanceAccess(TOKEN, allow_without_token=False).check(TOKEN)


@pytest.mark.parametrize(
    "authorization", ["", TOKEN, f"Basic {TOKEN}", f"Bearer{TOKEN}", f"Bearer {TOKEN}x", "Bearer é", "Bearer "]
)
def test_anything_else_does_not(authorization: str) -> None:
    with pytest.raises(UnauthenticatedError):
        MaintenanceAccess(TOKEN, allow_without_token=True).check(authorization)


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

    MaintenanceAccess(TOKEN, allow_without_token=False).check("Bearer x")

    assert compared == [(b"x", TOKEN.encode())]
