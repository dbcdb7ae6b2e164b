"""Imports every model below, so that migrations and relationships know all of them."""

from chassis.discovery import import_modules_below

import_modules_below(__name__, __path__)
