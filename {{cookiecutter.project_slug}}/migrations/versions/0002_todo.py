"""Add the table of the example entity

Revision: 0002_todo
Revises: 0001_service_context
"""

import sqlalchemy as sa
from alembic import op

revision: str = "0002_todo"
down_revision: str | tuple[str, ...] | None = "0001_service_context"
branch_labels: str | tuple[str, ...] | None = None
depends_on: str | tuple[str, ...] | None = None


def upgrade() -> None:
    op.create_table(
        "todo",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("title", sa.String(length=255), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("completed", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_todo")),
    )


def downgrade() -> None:
    op.drop_table("todo")
