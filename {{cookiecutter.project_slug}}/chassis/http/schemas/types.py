"""Types of fields: for each of them, validation and the OpenAPI document accept the same values."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field

JSONValue = Any  # whatever a client sends
MAX_TEXT_LENGTH = 10_000  # characters
MAX_EMAIL_LENGTH = 254  # characters, the longest address that SMTP delivers to
MAX_URL_LENGTH = 2000  # characters
MAX_ID = 2**63 - 1  # PostgreSQL has no larger integers
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:.*", re.DOTALL)
# The pattern that browsers use: https://html.spec.whatwg.org/multipage/input.html#email-state-(type=email)
# A domain needs a dot.
_LABEL = "[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_EMAIL = r"^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@" + rf"{_LABEL}(\.{_LABEL})+$"
_URL = r"^https?://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?([/?#][A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]*)?$"


def _require_text(form: re.Pattern[str], expected: str) -> Callable[[JSONValue], JSONValue]:
    """Refuse numbers, also those in a text, because pydantic would read them as seconds since 1970."""

    def require_text(value: JSONValue) -> JSONValue:
        if isinstance(value, int | float) or (isinstance(value, str) and not form.fullmatch(value)):
            msg = f"must be {expected}"
            raise ValueError(msg)
        return value

    return require_text


def _require_moment_in_utc(value: datetime) -> datetime:
    try:
        value.astimezone(UTC)
    except OverflowError:
        msg = "must be in the years 1 to 9999, in UTC"
        raise ValueError(msg) from None
    return value


Id = Annotated[int, Field(ge=1, le=MAX_ID)]
Integer = Annotated[int, Field(ge=-(2**31), le=2**31 - 1)]  # what the columns of these names can hold
BigInteger = Annotated[int, Field(ge=-(2**63), le=2**63 - 1)]
# PostgreSQL stores any character except NUL. Every text has a length, because a page holds up to a hundred of them;
# `Annotated[Text, Field(max_length=50_000)]` has another one.
Text = Annotated[str, Field(pattern=r"^[^\x00]*$", max_length=MAX_TEXT_LENGTH)]
# For OpenAPI only: the rule itself belongs to the domain, which refuses a blank text.
VisibleText = Annotated[Text, Field(json_schema_extra={"pattern": r"^[^\x00]*[^\s\x00][^\x00]*$"})]
Email = Annotated[str, Field(pattern=_EMAIL, max_length=MAX_EMAIL_LENGTH)]
Url = Annotated[str, Field(pattern=_URL, max_length=MAX_URL_LENGTH)]
Date = Annotated[date, Field(strict=False), BeforeValidator(_require_text(_DATE, "a date such as 2026-01-31"))]
Moment = Annotated[
    AwareDatetime,
    Field(strict=False),
    BeforeValidator(_require_text(_MOMENT, "a time with an offset, such as 2026-01-31T22:00:00Z")),
    AfterValidator(_require_moment_in_utc),
]
