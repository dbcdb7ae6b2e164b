"""The sample application for a process that reads the environment."""

from chassis.config import ChassisConfig
from chassis.tests.sample.create_app import create_app

app = create_app(ChassisConfig.load())
