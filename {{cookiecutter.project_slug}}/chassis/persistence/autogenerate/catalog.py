"""PostgreSQL's own description of a table, and the SQL that creates a table of this description."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from sqlalchemy import Connection, Dialect, Table, text

_COLUMNS = text("""
    SELECT table_name, attname, format_type(atttypid, atttypmod) || coalesce(' COLLATE ' || quote_ident(collname), ''),
           attnotnull, attgenerated::text, pg_get_expr(adbin, adrelid), counter.name,
           CASE attidentity WHEN 'a' THEN 'ALWAYS' WHEN 'd' THEN 'BY DEFAULT' END,
           format('START WITH %s|INCREMENT BY %s|MINVALUE %s|MAXVALUE %s|CACHE %s|%s',
                  seqstart, seqincrement, seqmin, seqmax, seqcache, CASE WHEN seqcycle THEN 'CYCLE' ELSE 'NO CYCLE' END)
    FROM unnest(CAST(:names AS text[])) AS table_name
    JOIN pg_attribute ON attrelid = to_regclass(table_name) AND attnum > 0 AND NOT attisdropped
    JOIN pg_type ON pg_type.oid = atttypid
    LEFT JOIN pg_collation ON pg_collation.oid = attcollation AND attcollation != typcollation
    LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    LEFT JOIN LATERAL (
        SELECT objid AS oid, objid::regclass::text AS name FROM pg_depend JOIN pg_class ON pg_class.oid = objid
        WHERE relkind = 'S' AND refclassid = 'pg_class'::regclass AND refobjid = attrelid AND refobjsubid = attnum
        ORDER BY deptype DESC LIMIT 1
    ) counter ON true
    LEFT JOIN pg_sequence ON seqrelid = counter.oid
    ORDER BY attnum""")
_CONSTRAINTS = text("""
    SELECT table_name, conname, contype::text, pg_get_constraintdef(oid)
    FROM unnest(CAST(:names AS text[])) AS table_name
    JOIN pg_constraint ON conrelid = to_regclass(table_name) AND contype IN ('p', 'u', 'c', 'x')""")
_INDEXES = text("""
    SELECT table_name, relname, indisunique, indisvalid, pg_get_indexdef(indexrelid)
    FROM unnest(CAST(:names AS text[])) AS table_name
    JOIN pg_index ON indrelid = to_regclass(table_name)
    JOIN pg_class ON pg_class.oid = indexrelid
    WHERE NOT EXISTS (SELECT FROM pg_constraint WHERE conrelid = indrelid AND conindid = indexrelid)""")


@dataclass(frozen=True)
class ColumnDescription:
    type: str
    not_null: bool
    default: str | None
    generated: str | None  # the expression, and whether it is stored
    identity: tuple[str, ...]  # GENERATED …, START WITH …, and so on
    sequence: str | None = field(compare=False, default=None)  # that the column owns

    @property
    def is_plain(self) -> bool:
        return not self.generated and not self.identity

    @property
    def sql(self) -> str:
        filled = f" DEFAULT {self.default}" if self.default else ""
        if self.generated:
            filled = f" GENERATED ALWAYS AS {self.generated}"
        if self.identity:
            filled = f" {self.identity[0]} AS IDENTITY ({' '.join(self.identity[1:])})"
        return f"{self.type}{filled}{' NOT NULL' * self.not_null}"


@dataclass(frozen=True)
class ConstraintDescription:
    kind: str  # as in pg_constraint.contype
    sql: str


@dataclass(frozen=True)
class IndexDescription:
    unique: bool
    valid: bool  # unless its creation was interrupted
    sql: str  # beginning with its method

    def create(self, name: str, table: str) -> str:
        return f"CREATE {'UNIQUE ' * self.unique}INDEX {name} ON {table} USING {self.sql}"


@dataclass(frozen=True)
class TableDescription:
    columns: dict[str, ColumnDescription]
    constraints: dict[str, ConstraintDescription]
    indexes: dict[str, IndexDescription]

    def create(self, name: str, dialect: Dialect) -> Iterator[str]:
        """Return the statements that create a table of this description."""
        quote = dialect.identifier_preparer.quote
        columns = [f"{quote(column)} {each.sql}" for column, each in self.columns.items()]
        constraints = [f"CONSTRAINT {quote(constraint)} {each.sql}" for constraint, each in self.constraints.items()]
        yield f"CREATE TABLE {name} ({', '.join([*columns, *constraints])})"
        for index, each in self.indexes.items():
            if each.valid:
                yield each.create(quote(index), name)


def read_tables(connection: Connection, names: Iterable[str]) -> dict[str, TableDescription]:
    """Return descriptions of those tables that exist, by their names in SQL, which include the schema."""
    parameters = {"names": list(names)}
    tables: dict[str, TableDescription] = {}
    for table, name, *details in connection.execute(_COLUMNS, parameters):
        tables.setdefault(table, TableDescription({}, {}, {})).columns[name] = _column(*details)
    for table, name, kind, sql in connection.execute(_CONSTRAINTS, parameters):
        tables[table].constraints[name] = ConstraintDescription(kind, sql.removesuffix(" NOT VALID"))
    for table, name, unique, valid, sql in connection.execute(_INDEXES, parameters):
        tables[table].indexes[name] = IndexDescription(unique, valid, sql.partition(" USING ")[2])
    return tables


def qualified_name(table: Table, dialect: Dialect, *, schema: str | None = None) -> str:
    """Return the name with a schema: the given one, or that of the table, or the one of the database."""
    quote = dialect.identifier_preparer.quote
    return f"{quote(schema or table.schema or dialect.default_schema_name or 'public')}.{quote(table.name)}"


def _column(
    type_: str,
    not_null: bool,  # noqa: FBT001
    generated: str,
    expression: str | None,
    sequence: str | None,
    identity: str | None,
    options: str,
) -> ColumnDescription:
    stored = {"s": "STORED", "v": "VIRTUAL"}.get(generated)
    return ColumnDescription(
        type=type_,
        not_null=not_null,
        default=None if stored else expression,
        generated=f"({expression}) {stored}" if stored else None,
        identity=(f"GENERATED {identity}", *options.split("|")) if identity else (),
        sequence=sequence,
    )
