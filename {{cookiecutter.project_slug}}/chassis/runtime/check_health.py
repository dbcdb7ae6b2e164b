"""Exits with 0 if the service in this container is alive: the HEALTHCHECK of an image without curl.

It does not import the settings, which takes most of a second of CPU time, but finds the prefix where they do.
"""

import os
import sys
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from urllib.parse import quote

from chassis.domain.exceptions import ConfigurationError
from chassis.runtime.env_file import check_env_file, read_env_file

ENV_FILE = Path(__file__).resolve().parents[2] / ".env"
PORT = 7000  # as in hypercorn.toml


def main() -> int:
    connection = HTTPConnection("127.0.0.1", PORT, timeout=3)
    connection.request("GET", find_path())
    return 0 if connection.getresponse().status == 200 else 1


def find_path() -> str:
    """Return the path of the liveness probe as a URL has it; names of variables may be in lower case."""
    check_env_file(ENV_FILE)
    values = {name.upper(): value for name, value in read_env_file(ENV_FILE).items() if value}
    values |= {name.upper(): value for name, value in os.environ.items() if value}
    prefix = values.get("SERVICE_PREFIX", "").strip()
    return quote("/".join(["", *filter(None, prefix.split("/")), "health", "live"]))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (OSError, HTTPException) as error:
        sys.exit(f"The service does not answer: {error}")
    except ConfigurationError as error:
        sys.exit(str(error))
