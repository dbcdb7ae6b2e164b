"""With NIGHTLY=1 the tests do everything; otherwise they leave out repetitions that hardly ever find anything."""

import os
from collections.abc import Sequence
from typing import TypeVar

import pytest

Value = TypeVar("Value")
NIGHTLY = bool(os.environ.get("NIGHTLY"))
only_nightly = pytest.mark.skipif(not NIGHTLY, reason="only with NIGHTLY=1")


def first_unless_nightly(values: Sequence[Value]) -> Sequence[Value]:
    return values if NIGHTLY else values[:1]
