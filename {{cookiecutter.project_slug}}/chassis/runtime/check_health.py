"""Exits with 0 if the service in this container is alive: the HEALTHCHECK of an image without curl."""

import os
import sys
from http.client import HTTPConnection, HTTPException


def main() -> int:
    prefix = [part for part in os.environ.get("SERVICE_PREFIX", "").split("/") if part]
    connection = HTTPConnection("127.0.0.1", 7000, timeout=3)  # as in hypercorn.toml
    connection.request("GET", "/".join(["", *prefix, "health", "live"]))
    return 0 if connection.getresponse().status == 200 else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (OSError, HTTPException) as error:
        sys.exit(f"The service does not answer: {error}")
