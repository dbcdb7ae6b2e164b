"""Operations that Alembic does not have, or does not render completely."""

from typing import Any

from alembic.autogenerate import renderers
from alembic.autogenerate.api import AutogenContext
from alembic.operations.ops import CreateIndexOp, DropIndexOp, MigrateOperation

from chassis.persistence.autogenerate.text_clauses import escape_parameters

_RENDER_INDEX = {operation: renderers.dispatch(operation) for operation in (CreateIndexOp, DropIndexOp)}


class SQLOp(MigrateOperation):
    """Executes statements; `undo` are those that revert them."""

    def __init__(self, statements: tuple[str, ...], undo: tuple[str, ...]) -> None:
        self.statements = statements
        self.undo = undo

    def reverse(self) -> "SQLOp":
        return SQLOp(self.undo, self.statements)

    def to_diff_tuple(self) -> tuple[Any, ...]:
        return ("execute", *self.statements)


@renderers.dispatch_for(SQLOp)
def _render_sql(_context: AutogenContext, operation: SQLOp) -> list[str]:
    return [f"op.execute({escape_parameters(statement)!r})" for statement in operation.statements]


@renderers.dispatch_for(CreateIndexOp, replace=True)
@renderers.dispatch_for(DropIndexOp, replace=True)
def _render_index(context: AutogenContext, operation: CreateIndexOp | DropIndexOp) -> list[str]:
    """Put an index that is created or dropped concurrently outside the transaction."""
    rendered = _RENDER_INDEX[type(operation)](context, operation)
    if not operation.kw.get("postgresql_concurrently"):
        return [rendered]
    return ["with op.get_context().autocommit_block():", rendered, ""]
