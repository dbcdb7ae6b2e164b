"""The application of this process: the only place where the environment is read."""

import sys

from src.config import Config, ConfigurationError
from src.create_app import create_app

try:
    app = create_app(Config.load())
except ConfigurationError as error:
    sys.exit(f"Error: {error}")
