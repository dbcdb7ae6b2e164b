"""SQL as the text of `text()`, which takes `:name` for a parameter."""

import re

# Source: `TextClause._bind_params_regex` and `BIND_PARAMS_ESC` of SQLAlchemy
_PARAMETER = re.compile(r"(?<![:\w\\]):(?=\w+(?![:\w]))")
_ESCAPED_COLON = re.compile(r"\\(?=:\w*(?![:\w]))")


def escape_parameters(sql: str) -> str:
    """Return the argument with which `text()` stands for exactly this SQL."""
    return _PARAMETER.sub(r"\\:", _ESCAPED_COLON.sub(r"\\\\", sql))
