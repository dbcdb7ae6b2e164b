"""The header Link of a page by cursor: https://www.rfc-editor.org/rfc/rfc8288"""

from typing import Any
from urllib.parse import urlencode

from werkzeug.datastructures import MultiDict

_PAGING = frozenset(("cursor", "page", "per_page"))


def next_link(query_string: MultiDict[str, Any], cursor: str, per_page: int) -> str:
    """Return the link to the next page, with the other parameters of this request.

    The reference has no path, so it is right below every prefix that a proxy may have removed:
    https://www.rfc-editor.org/rfc/rfc3986#section-5.2.2
    """
    others = [(name, value) for name, value in query_string.items(multi=True) if name not in _PAGING]
    reference = urlencode([("cursor", cursor), ("per_page", str(per_page)), *others], errors="replace")
    return f'<?{reference}>; rel="next"'
