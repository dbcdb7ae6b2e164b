"""Add the table of the maintenance window, which all instances share

Revision: 0001_service_context
Revises: nothing
"""

import sqlalchemy as sa
from alembic import op

revision: str = "0001_service_context"
down_revision: str | tuple[str, ...] | None = None
branch_labels: str | tuple[str, ...] | None = None
depends_on: str | tuple[str, ...] | None = None


def upgrade() -> None:
    op.create_table(
        "service_context",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("maintenance", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("message", sa.String(length=500), nullable=True),
        sa.Column("expected_end", sa.DateTime(timezone=True), nullable=True),
        sa.Column("since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Column("updated_by", sa.String(length=255), nullable=True),
        sa.Column("version", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_service_context_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_service_context")),
    )


def downgrade() -> None:
    op.drop_table("service_context")
