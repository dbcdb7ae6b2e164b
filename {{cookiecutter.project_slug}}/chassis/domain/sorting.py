"""Lists are sorted by the fields of the parameter `sort`, such as "-published,title", and rows that tie by the key."""

from dataclasses import dataclass

from chassis.domain.lookups import IsField


@dataclass(frozen=True)
class SortField:
    """A field to sort by. Nulls come last in ascending order and first in descending order, as in PostgreSQL."""

    name: str
    descending: bool = False


def read_sort(sort: object, key: str, is_field: IsField, owner: str) -> tuple[SortField, ...]:
    """Return the fields to sort by; the last one is the key, so that no two rows tie.

    Raises:
        TypeError: a name is not that of a field.
    """
    if not isinstance(sort, str | None):
        msg = f'`sort` takes a text such as "-published,title", not {sort!r}'
        raise TypeError(msg)
    fields = dict[str, SortField]()
    for part in sort.split(",") if sort else ():
        name = part.strip().removeprefix("-")
        if not is_field(name):
            msg = f"{owner} does not sort by {name or repr(part)}"
            raise TypeError(msg)
        fields.setdefault(name, SortField(name, descending=part.strip().startswith("-")))
        if name == key:
            return tuple(fields.values())
    return (*fields.values(), SortField(key))
