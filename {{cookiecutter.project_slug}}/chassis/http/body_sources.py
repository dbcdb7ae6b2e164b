"""Bodies and forms are read differently, so a view that takes one for the other is refused at start-up."""

from inspect import isclass
from typing import Any, get_args

from quart import Quart
from quart_schema.validation import QUART_SCHEMA_REQUEST_ATTRIBUTE, DataSource

from chassis.domain.exceptions import ConfigurationError
from chassis.http.schemas.body import BodySchema
from chassis.http.schemas.form import FormSchema


def check_body_sources(app: Quart) -> None:
    """Check the schema of each view that validates a body.

    Raises:
        ConfigurationError: a form has a `BodySchema`, JSON has a `FormSchema`, or a body is a list.
    """
    for view in app.view_functions.values():
        mistake = _find_mistake(*getattr(view, QUART_SCHEMA_REQUEST_ATTRIBUTE, (None, None)))
        if mistake:
            raise ConfigurationError(f"{view.__module__}.{getattr(view, '__qualname__', view)} reads {mistake}")


def _find_mistake(schema: Any, source: DataSource | None) -> str | None:  # noqa: ANN401 - any type
    if any(_inherits(part, BodySchema) for part in get_args(schema)):
        return f"{schema}: a body is an object, so put the list into a field of a BodySchema."
    if source is not DataSource.JSON and _inherits(schema, BodySchema):
        return f"a form with {schema.__name__}, which is for JSON: inherit FormSchema."
    if source is DataSource.JSON and _inherits(schema, FormSchema):
        return f"JSON with {schema.__name__}, which is for forms: inherit BodySchema."
    return None


def _inherits(schema: object, base: type) -> bool:
    return isclass(schema) and issubclass(schema, base)
