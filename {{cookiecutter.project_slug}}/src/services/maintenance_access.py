"""Who may switch the maintenance window over HTTP."""

from hmac import compare_digest

from src.domain.exceptions import ForbiddenError, UnauthenticatedError


class MaintenanceAccess:
    def __init__(self, token: str | None, *, without_token: bool) -> None:
        """`without_token` lets anybody in where no token is set."""
        self._token = token
        self._without_token = without_token

    def check(self, authorization: str) -> None:
        """`authorization` is the header, `Bearer <token>`; the comparison takes the same time however wrong it is.

        The scheme may be in any case: RFC 9110, section 11.1.

        Raises:
            UnauthenticatedError: it is not the token.
            ForbiddenError: there is no token that would do.
        """
        if self._token is not None:
            scheme, _, token = authorization.partition(" ")
            if scheme.lower() != "bearer" or not compare_digest(token.encode(), self._token.encode()):
                msg = "The maintenance window is switched with Authorization: Bearer <MAINTENANCE_TOKEN>"
                raise UnauthenticatedError(msg)
        elif not self._without_token:
            msg = "Set MAINTENANCE_TOKEN to switch the maintenance window over HTTP, or use the command line"
            raise ForbiddenError(msg)
