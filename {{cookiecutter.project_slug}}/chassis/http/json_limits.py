"""The limits of a JSON body, checked before it is parsed, because parsing costs more than the size suggests.

A megabyte of empty lists would stop the event loop for most of a second.
"""

from dataclasses import dataclass
from itertools import accumulate

from werkzeug.exceptions import BadRequest, RequestEntityTooLarge

MAX_DEPTH = 64
MAX_VALUES = 10_000
MAX_DIGITS = 1000  # Python takes a time that grows with their square
_TO_ZEROS = bytes.maketrans(b"123456789", b"0" * 9)
_TOO_MANY_DIGITS = b"0" * (MAX_DIGITS + 1)
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_STEPS = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}


@dataclass(frozen=True, kw_only=True)
class JSONLimits:
    """`depth` counts lists and objects inside of each other, `values` counts all values at any depth."""

    depth: int = MAX_DEPTH
    values: int = MAX_VALUES

    def check(self, data: bytes) -> None:
        """Count brackets and commas, first in all of the text, and outside of strings only if there are many.

        Raises:
            BadRequest: it is nested too deeply, or a number has too many digits.
            RequestEntityTooLarge: it has too many values.
        """
        if _opening(data) > self.depth or _values(data) > self.values or _has_long_number(data):
            self._check_structure(data.replace(rb"\\", b"").replace(rb"\"", b""))

    def _check_structure(self, data: bytes) -> None:
        """Check a text without escapes, so that each quotation mark is the end of a string."""
        if data.count(b'"') > 4 * self.values:  # those of a key and of a value
            raise self._too_many_values()
        outside = b" ".join(data.split(b'"')[::2])
        brackets = outside.translate(None, _NO_BRACKETS)[: 2 * self.values]  # more of them are too many values
        if _depth(brackets) > self.depth:
            raise BadRequest(f"The body has lists or objects in more than {self.depth} levels")
        if _values(outside) > self.values:
            raise self._too_many_values()
        if _has_long_number(outside):
            raise BadRequest(f"The body has a number of more than {MAX_DIGITS} digits")

    def _too_many_values(self) -> RequestEntityTooLarge:
        return RequestEntityTooLarge(f"The body has more than {self.values} values")


def _opening(data: bytes) -> int:
    return data.count(b"[") + data.count(b"{")


def _values(data: bytes) -> int:
    """Return how many there are at most: an empty list counts as if it had one value."""
    return _opening(data) + data.count(b",") + 1


def _has_long_number(data: bytes) -> bool:
    return len(data) > MAX_DIGITS and _TOO_MANY_DIGITS in data.translate(_TO_ZEROS)


def _depth(brackets: bytes) -> int:
    return max(accumulate(_STEPS[bracket] for bracket in brackets), default=0)
