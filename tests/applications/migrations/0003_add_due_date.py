"""A change that an older release tolerates, because it only adds something optional."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002_todo"


def upgrade() -> None:
    op.add_column("todo", sa.Column("due", sa.DateTime(timezone=True)))
