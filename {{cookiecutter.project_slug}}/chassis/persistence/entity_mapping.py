"""A repository compares its model with its entity class when it is made: a mistake stops the start, not a request."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import BigInteger, Integer, Table, inspect
from sqlalchemy.exc import NoInspectionAvailable, SQLAlchemyError
from sqlalchemy.orm import Mapper
from sqlalchemy.sql.base import ExecutableOption

from chassis.domain.exceptions import ConfigurationError
from chassis.persistence.entities import EntityFields
from chassis.persistence.integer_ranges import IntegerRanges
from chassis.persistence.loading import is_stored, loading_options, loads_more_than_a_row


class EntityMapping:
    """Describes what a repository selects and writes: the fields of its entity class, or the model itself.

    Raises:
        ConfigurationError: the model or the entity class does not suit a repository; the message names the field.
    """

    def __init__(self, repository: str, base_class: type[Any] | None, entity_class: type[Any] | None) -> None:
        self._repository = repository
        self._mapper = self._find_mapper(base_class)
        self._model = self._mapper.class_.__name__
        self._synonyms = {name: synonym.name for name, synonym in self._mapper.synonyms.items()}
        self._stored = {each.key: each.columns[0] for each in self._mapper.column_attrs if is_stored(each)}
        self._integer_ranges = IntegerRanges(self._mapper)
        self._check_hybrids()
        self.model = self._mapper.class_
        self.table = self._find_table()
        self.key = self._find_key()
        # A number beyond the range of the column is not an error, because no row has it as its key.
        self.key_type = BigInteger() if isinstance(self.key.type, Integer) else self.key.type
        self.entity_class = entity_class
        self.fields: list[str] = []
        self.columns: list[Any] | None = None  # of the fields, if a row without the ORM is all that an entity needs
        self.entity: EntityFields | None = None  # if it holds other entities, so that a row is not enough
        self.options: tuple[ExecutableOption, ...] = ()
        if entity_class is None:
            self.selection = [self.model]
            self.options = tuple(loading_options(self._mapper))
            self.needs_select = loads_more_than_a_row(self._mapper)
        else:
            entity = EntityFields(repository, self._mapper, entity_class)
            self.fields = entity.names
            if entity.held:
                self.entity = entity
                self.selection = [self.model]
                self.options = tuple(entity.options())
            else:
                self.columns = self._find_columns(entity.names)
                self.selection = self.columns or entity.selection()
            self.needs_select = not all(map(self._is_column, entity.names))
        self.filterable_key = self._find_filterable_key()
        self._names = {name: name if self.columns is None else column.key for name, column in self._stored.items()}
        self.may_fail_after_write = self.needs_select or hasattr(entity_class, "__post_init__")

    def to_columns(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """Return the data by the names of column attributes, of which synonyms are other names.

        Raises:
            TypeError: a name is not that of a column.
            ConflictError, ValidationError: see `IntegerRanges.check`.
        """
        columns = {self._synonyms.get(name, name): value for name, value in data.items()}
        if unknown := sorted(columns.keys() - self._stored.keys()):
            msg = f"{self._model} has no column {', '.join(unknown)}"
            raise TypeError(msg)
        self._integer_ranges.check(columns)
        return columns

    def name_columns(self, row: dict[str, Any]) -> dict[str, Any]:
        """Return a row by the names of what INSERT and UPDATE write to: the columns of the table, or attributes."""
        return {self._names[name]: value for name, value in row.items()}

    def _find_mapper(self, base_class: type[Any] | None) -> Mapper[Any]:
        try:
            mapper: Mapper[Any] = inspect(base_class)
            mapper.attrs  # noqa: B018 - configures all mappers, which shows mistakes in their relationships
        except NoInspectionAvailable:
            msg = f"{self._repository} has no model: set `base_class`, which is {base_class!r}."
            raise ConfigurationError(msg) from None
        except SQLAlchemyError as error:
            msg = f"The model of {self._repository} cannot be used: {error}"
            raise ConfigurationError(msg) from error
        if len(mapper.tables) > 1:
            tables = ", ".join(table.fullname for table in mapper.tables)
            msg = f"{self._repository} cannot store {mapper.class_.__name__}, which has several tables: {tables}."
            raise ConfigurationError(msg)
        return mapper

    def _find_key(self) -> Any:  # noqa: ANN401 - the attribute of a model, or its column
        columns = self._mapper.primary_key
        keys = [self._mapper.get_property_by_column(column).key for column in columns]
        if len(keys) > 1:
            msg = (
                f"{self._repository} needs a model whose primary key is one column, and that of {self._model} is "
                f"({', '.join(keys)}): give it an id, and make these a UniqueConstraint."
            )
            raise ConfigurationError(msg)
        return getattr(self.model, keys[0]) if self.table is None else columns[0]

    def _find_filterable_key(self) -> Any:  # noqa: ANN401
        """Return the key for a query in which `filter_by` finds all attributes by their names.

        A statement of columns costs less than one of attributes, which a query of models has to be.
        """
        names = {name: column.key for name, column in self._stored.items()}
        descriptors = self._mapper.all_orm_descriptors.keys()
        if self.columns is not None and all(name == names.get(name) for name in descriptors):
            return self.key
        return getattr(self.model, self._mapper.get_property_by_column(self._mapper.primary_key[0]).key)

    def _is_column(self, name: str) -> bool:
        """Return whether RETURNING can give the attribute; a subquery in it would not refer to the row."""
        return self._synonyms.get(name, name) in self._stored or name in self._mapper.composites

    def _find_table(self) -> Table | None:
        """Return the table, unless the ORM adds something to its rows or its conditions."""
        table, mapper = self._mapper.local_table, self._mapper
        shared = mapper.inherits is not None or mapper.polymorphic_on is not None
        return table if isinstance(table, Table) and not shared and mapper.version_id_col is None else None

    def _find_columns(self, fields: Sequence[str]) -> list[Any] | None:
        names = [self._synonyms.get(name, name) for name in fields]
        if self.table is None or not self._stored.keys() >= set(names):
            return None
        return [self._stored[name] for name in names]

    def _check_hybrids(self) -> None:
        for name in self._mapper.all_orm_descriptors.keys():  # noqa: SIM118 - not a dict
            try:
                getattr(self._mapper.class_, name)
            except Exception as error:  # a hybrid is code of the service, and SQLAlchemy calls it for each INSERT
                msg = f"{self._model}.{name} is not an SQL expression: make it a `@property`. ({error})"
                raise ConfigurationError(msg) from error
