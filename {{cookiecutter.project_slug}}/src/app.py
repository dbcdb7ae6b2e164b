"""The application of this process; its settings come from the environment and from `.env`."""

import sys

from chassis.cli.development import settings_of_command
from chassis.domain.exceptions import ConfigurationError
from src.config import Config
from src.create_app import create_app

try:
    app = create_app(Config.load(**settings_of_command()))
except ConfigurationError as error:
    sys.exit(f"Error: {error}")
