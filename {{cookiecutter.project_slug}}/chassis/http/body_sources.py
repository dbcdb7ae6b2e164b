"""Bodies and forms are read differently, so a view that takes one for the other is refused at start-up."""

from inspect import isclass

from quart import Quart
from quart_schema.validation import QUART_SCHEMA_REQUEST_ATTRIBUTE, DataSource

from chassis.domain.exceptions import ConfigurationError
from chassis.http.schemas.body import BodySchema
from chassis.http.schemas.form import FormSchema


def check_body_sources(app: Quart) -> None:
    """Check the schema of each view that validates a body.

    Raises:
        ConfigurationError: a form has a `BodySchema`, which refuses the texts of a form, or JSON has a `FormSchema`.
    """
    for view in app.view_functions.values():
        schema, source = getattr(view, QUART_SCHEMA_REQUEST_ATTRIBUTE, (None, None))
        if not isclass(schema):
            continue
        place = f"{view.__module__}.{view.__qualname__}"
        if source is not DataSource.JSON and issubclass(schema, BodySchema):
            msg = f"{place} reads a form with {schema.__name__}, which is for JSON: inherit FormSchema."
            raise ConfigurationError(msg)
        if source is DataSource.JSON and issubclass(schema, FormSchema):
            msg = f"{place} reads JSON with {schema.__name__}, which is for forms: inherit BodySchema."
            raise ConfigurationError(msg)
