"""Access to the maintenance window over HTTP; commands need a database URL instead of a token."""

from hmac import compare_digest

from chassis.domain.exceptions import ForbiddenError, UnauthenticatedError


class MaintenanceAccess:
    def __init__(self, token: str | None, *, allow_without_token: bool) -> None:
        """`allow_without_token` lets anybody in if no token is set."""
        self._token = token
        self._allow_without_token = allow_without_token

    def check(self, token: str | None) -> None:
        """Compare the token that a caller presents, in the same time however wrong it is.

        Raises:
            UnauthenticatedError: the token is wrong or missing.
            ForbiddenError: the service has no token, so nobody may switch the window.
        """
        if self._token is None:
            if not self._allow_without_token:
                msg = "Set MAINTENANCE_TOKEN to switch the maintenance window over HTTP, or use the command line"
                raise ForbiddenError(msg)
        elif token is None or not compare_digest(token.encode(), self._token.encode()):
            msg = "The maintenance window is switched with Authorization: Bearer <MAINTENANCE_TOKEN>"
            raise UnauthenticatedError(msg)
