"""The syntax of a host, checked cheaply: Python's codec for international names (IDNA) takes a second for 64 KB."""

import re
from functools import lru_cache
from ipaddress import AddressValueError, IPv6Address

MAX_LENGTH = 255  # bytes, with the port
MAX_PORT = 65535
_LABEL = "[A-Za-z0-9_-]{1,63}"  # with underscores, because Docker Compose uses them in names of containers
_NAME = rf"{_LABEL}(?:\.{_LABEL})*+\.?"
_HOST = re.compile(rf"(?:{_NAME}|\[([0-9A-Fa-f:.]+)\])" + r"(?::([0-9]{0,5}))?")


def is_host(value: bytes) -> bool:
    """Check that the value of a header such as `Host` is a name or an IP address, with a port or without.

    International names arrive encoded (`xn--…`): RFC 3986, section 3.2.2, and RFC 9110, section 7.2.
    """
    return len(value) <= MAX_LENGTH and _is_host(value)


@lru_cache(maxsize=256)
def _is_host(value: bytes) -> bool:
    found = _HOST.fullmatch(value.decode("latin-1"))
    if found is None or int(found[2] or 0) > MAX_PORT:
        return False
    return found[1] is None or _is_ipv6(found[1])


def _is_ipv6(address: str) -> bool:
    try:
        IPv6Address(address)
    except AddressValueError:
        return False
    return True
