"""Names that a field cannot have, because the classes or the table of its entity use them."""

from chassis.dev.generate.refusal import GeneratorError
from chassis.http.schemas import BodySchema, PageQuery
from chassis.persistence.model import ModelExtension

RESERVED = {"id", "created_at", "updated_at"}
USED_NAMES = {"bool", "date", "datetime", "float", "func", "int", "mapped_column", "sort_by", "str", "unset"}
SYSTEM_COLUMNS = {"cmax", "cmin", "ctid", "tableoid", "xmax", "xmin"}  # of each table in PostgreSQL


def check_field_name(name: str) -> None:
    """Raise GeneratorError, which suggests another name, if a field cannot be called `name`."""
    if name == "l":
        raise GeneratorError("A field `l` looks like a 1, and ruff refuses it: choose a longer name.")
    if name in RESERVED:
        raise GeneratorError(f"`{name}` is not for clients to write: add it to the entity and the model by hand.")
    if name in USED_NAMES:
        raise GeneratorError(
            f"A field `{name}` would hide what its class calls `{name}`: "
            f"choose another name, for instance `{name}_value`."
        )
    classes = (BodySchema, PageQuery, ModelExtension)
    reserved = {*PageQuery.model_fields, "sort", "cursor", "metadata", *SYSTEM_COLUMNS}
    if name in reserved or any(hasattr(each, name) for each in classes):
        raise GeneratorError(
            f"`{name}` has a meaning in tables, models, schemas or queries: "
            f"choose another name, for instance `{name}_value`."
        )
