"""Access to the maintenance window over HTTP; commands need a database URL instead of a token."""

from collections import OrderedDict
from collections.abc import Callable
from hmac import compare_digest
from ipaddress import IPv6Address, ip_address
from math import ceil
from time import monotonic

import structlog

from chassis.domain.exceptions import ForbiddenError, TooManyAttemptsError, UnauthenticatedError

MAX_FAILURES = 5
FORGET_SECONDS = 60  # after the last failure
MAX_ADDRESSES = 1000
IPV6_HOST_BITS = 64  # a single client may have all addresses that differ in these only

log = structlog.get_logger(__name__)


class MaintenanceAccess:
    def __init__(self, token: str | None, *, allow_without_token: bool, clock: Callable[[], float] = monotonic) -> None:
        """`allow_without_token` lets anybody in if no token is set."""
        self._token = token
        self._allow_without_token = allow_without_token
        self._failures = FailedAttempts(clock)

    def check(self, token: str | None, address: str | None) -> None:
        """Compare the token that a caller at this address presents, in the same time however wrong it is.

        Raises:
            UnauthenticatedError: the token is wrong or missing.
            TooManyAttemptsError: too many wrong tokens came from this address, and this one was not compared.
            ForbiddenError: the service has no token, so nobody may switch the window.
        """
        if self._token is None:
            if not self._allow_without_token:
                msg = "Set MAINTENANCE_TOKEN to switch the maintenance window over HTTP, or use the command line"
                raise ForbiddenError(msg)
        elif token is None or not self._is_right(token, address or ""):
            msg = "The maintenance window is switched with Authorization: Bearer <MAINTENANCE_TOKEN>"
            raise UnauthenticatedError(msg)

    def _is_right(self, token: str, address: str) -> bool:
        if seconds := self._failures.seconds_to_wait(address):
            msg = "Too many wrong tokens came from this address"
            raise TooManyAttemptsError(msg, seconds=seconds)
        if self._token is not None and compare_digest(token.encode(), self._token.encode()):
            self._failures.forget(address)
            return True
        count = self._failures.add(address)
        log.warning("wrong maintenance token", client=address, failures=count, blocked=count >= MAX_FAILURES)
        return False


class FailedAttempts:
    """Counts failures of each address, and forgets the address that failed longest ago when there are too many."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._failures: OrderedDict[str, tuple[int, float]] = OrderedDict()  # address → count and time of the last one

    def __len__(self) -> int:
        return len(self._failures)

    def seconds_to_wait(self, address: str) -> int:
        count, left = self._count_and_seconds_left(_network(address))
        return ceil(left) if count >= MAX_FAILURES else 0

    def add(self, address: str) -> int:
        """Return how many failures there are now."""
        network = _network(address)
        count = self._count_and_seconds_left(network)[0] + 1
        self._failures[network] = count, self._clock()
        self._failures.move_to_end(network)
        if len(self._failures) > MAX_ADDRESSES:
            self._failures.popitem(last=False)
        return count

    def forget(self, address: str) -> None:
        self._failures.pop(_network(address), None)

    def _count_and_seconds_left(self, network: str) -> tuple[int, float]:
        count, last = self._failures.get(network, (0, 0.0))
        left = last + FORGET_SECONDS - self._clock()
        return (count, left) if left > 0 else (0, 0.0)


def _network(address: str) -> str:
    try:
        parsed = ip_address(address)
    except ValueError:  # a Unix socket has none
        return address
    if isinstance(parsed, IPv6Address) and not parsed.ipv4_mapped:
        return str(IPv6Address(int(parsed) >> IPV6_HOST_BITS << IPV6_HOST_BITS))
    return address
