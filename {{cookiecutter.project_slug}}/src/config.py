"""The settings of this service; those of every service are in `ChassisConfig`. `.env.example` explains each."""

from chassis.config import ChassisConfig


class Config(ChassisConfig):
    """A setting is a field in upper case, for instance `MAIL_SENDER: str = "service@example.com"`."""
