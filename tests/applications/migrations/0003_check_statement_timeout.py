"""A migration that fails if a statement timeout applies to it."""

from alembic import op

revision = "0003"
down_revision = "0002_todo"


def upgrade() -> None:
    op.execute("DO $$ BEGIN ASSERT current_setting('statement_timeout') = '0'; END $$")
