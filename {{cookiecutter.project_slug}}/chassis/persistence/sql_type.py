"""Types that SQLAlchemy does not know; revisions name them in SQL, so that they need no class of the service."""

from sqlalchemy.types import UserDefinedType


class SQLType(UserDefinedType[object]):
    """A column of `SQLType("vector(3)")` has the type `vector(3)`."""

    cache_ok = True

    def __init__(self, name: str) -> None:
        self.name = name

    def get_col_spec(self, **_options: object) -> str:
        return self.name
