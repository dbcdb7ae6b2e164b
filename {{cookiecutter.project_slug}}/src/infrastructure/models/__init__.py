"""Imports every model below, so that migrations and relationships know all of them."""

from chassis.persistence.model import import_models

import_models(__name__, __path__)
