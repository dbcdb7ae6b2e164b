"""Write revisions whose only purpose is their place in a history."""

from collections.abc import Mapping
from pathlib import Path

from chassis.persistence.migrations import create_migrations

REVISION = '''
"""{revision}"""

from alembic import op

revision = {revision!r}
down_revision = {down_revision!r}


def upgrade() -> None:
    op.execute("CREATE TABLE {revision} (id integer)")


def downgrade() -> None:
    op.execute("DROP TABLE {revision}")
'''


def write_history(directory: Path, history: Mapping[str, tuple[str, ...]]) -> Path:
    """Write revisions with the names of the revisions they build upon; each creates a table with its own name."""
    create_migrations(directory)
    for revision, below in history.items():
        text = REVISION.format(revision=revision, down_revision=below or None)
        (directory / "versions" / f"{revision}.py").write_text(text)
    return directory
