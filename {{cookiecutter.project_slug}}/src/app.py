"""The application of this process; its settings come from the environment and from `.env`."""

import sys

from chassis.domain.exceptions import ConfigurationError
from src.config import Config
from src.create_app import create_app

try:
    app = create_app(Config.load())
except ConfigurationError as error:
    sys.exit(f"Error: {error}")
