"""The types of fields: what each one is in the entity, in the model, in the schemas and in tests."""

from collections.abc import Callable
from dataclasses import dataclass

from chassis.dev.generate.refusal import GeneratorError
from chassis.http.schemas.types import MAX_TEXT_LENGTH

Arguments = tuple[str, ...]
Samples = tuple[str, str, str]  # Python code for two values in ascending order, and for the value of a `number`

DEFAULT_LENGTH = 255  # characters of a string
MAX_INDEXED_LENGTH = 500  # characters; PostgreSQL refuses to index more than about 2700 bytes
MAX_DIGITS = 50
NO_ARGUMENTS: Arguments = ()


@dataclass(frozen=True, kw_only=True)
class FieldType:
    """Describes a type by Python code; `arguments` are those that the user has typed in braces."""

    python: str
    schema: str
    column: Callable[[Arguments], str] = lambda _arguments: ""
    samples: Callable[[Arguments], Samples]
    is_ordered: bool = False
    is_text: bool = False
    is_comparable: bool = True  # it can be unique, indexed, filtered and sorted by
    longest: int = 0  # the number of arguments


def _string_samples(arguments: Arguments) -> Samples:
    length = int(arguments[0])
    number = 'f"text {number}"' if length >= 16 else 'f"{number % ' + str(10 ** min(length, 9)) + '}"'
    return '"a"', '"b"', number


def _decimal_samples(arguments: Arguments) -> Samples:
    digits, places = map(int, arguments)
    low, high = (f'"{number / 10**places:.{places}f}"' for number in (1, 2))
    number = f"number % {10**digits}" if digits < 9 else "number"
    return low, high, 'f"{' + f"{number} / {10**places}:.{places}f" + '}"'


EXAMPLE = "string{200}"
TYPES = {
    "string": FieldType(
        python="str",
        schema="Text",
        column=lambda arguments: f"String({arguments[0]})",
        samples=_string_samples,
        is_text=True,
        longest=1,
    ),
    "text": FieldType(
        python="str",
        schema="Text",
        column=lambda _arguments: "Text",
        samples=lambda _arguments: ('"a"', '"b"', 'f"text {number}"'),
        is_text=True,
    ),
    "integer": FieldType(
        python="int", schema="Integer", samples=lambda _arguments: ("1", "2", "number"), is_ordered=True
    ),
    "biginteger": FieldType(
        python="int",
        schema="BigInteger",
        column=lambda _arguments: "BigInteger",
        samples=lambda _arguments: ("5_000_000_000", "6_000_000_000", "5_000_000_000 + number"),
        is_ordered=True,
    ),
    "float": FieldType(
        python="float", schema="float", samples=lambda _arguments: ("1.5", "2.5", "number + 0.5"), is_ordered=True
    ),
    "decimal": FieldType(
        python="Decimal",
        schema="Decimal",
        column=lambda arguments: f"Numeric({arguments[0]}, {arguments[1]})",
        samples=_decimal_samples,
        is_ordered=True,
        longest=2,
    ),
    "boolean": FieldType(python="bool", schema="bool", samples=lambda _arguments: ("False", "True", "False")),
    "date": FieldType(
        python="date",
        schema="Date",
        samples=lambda _arguments: ('"2026-01-31"', '"2026-02-28"', "str(date.fromordinal(730_000 + number))"),
        is_ordered=True,
    ),
    "datetime": FieldType(
        python="datetime",
        schema="Moment",
        samples=lambda _arguments: (
            '"2026-01-31T22:00:00Z"',
            '"2026-02-28T22:00:00Z"',
            "datetime.fromtimestamp(1_700_000_000 + number, UTC).isoformat()",
        ),
        is_ordered=True,
    ),
    "uuid": FieldType(
        python="UUID",
        schema="UUID",
        samples=lambda _arguments: (
            '"00000000-0000-4000-8000-000000000001"',
            '"00000000-0000-4000-8000-000000000002"',
            "str(uuid4())",
        ),
    ),
    "json": FieldType(
        python="Any",
        schema="Json",
        column=lambda _arguments: "JSONB",
        samples=lambda _arguments: ('{"a": [1, None]}', '["b"]', '{"a": number}'),
        is_comparable=False,
    ),
    "enum": FieldType(
        python="",
        schema="",
        samples=lambda arguments: enum_samples(arguments),
        longest=100,
    ),
    "references": FieldType(
        python="int",
        schema="Id",
        samples=lambda _arguments: ("", "", ""),
        longest=1,
    ),
}


def enum_samples(arguments: Arguments) -> Samples:
    """Return members in the order of their names, which is that of the database."""
    first, *_, last = sorted([*arguments, *arguments[:1]], key=member_name)
    return f'"{first}"', f'"{last}"', f'"{first}"'


def member_name(value: str) -> str:
    return value.replace("-", "_").upper()


def check_arguments(name: str, arguments: Arguments) -> Arguments:
    """Return the arguments of a type, with those that may be left out.

    Raises:
        GeneratorError: they are missing, too many or of the wrong kind.
    """
    match name, arguments:
        case "string", ():
            return (str(DEFAULT_LENGTH),)
        case "string", (length,) if not (length.isdecimal() and 1 <= int(length) <= MAX_TEXT_LENGTH):
            raise GeneratorError(f"A string has 1 to {MAX_TEXT_LENGTH} characters: type `{EXAMPLE}`, or `text`.")
        case "decimal", _ if not _are_digits(arguments):
            raise GeneratorError(
                f"A decimal needs its digits, at most {MAX_DIGITS}, and how many of them are decimal places: "
                "type `decimal{10,2}`."
            )
        case "enum", () | (_,):
            raise GeneratorError("An enum needs two values or more: type `enum{draft,printed}`.")
    longest = TYPES[name].longest
    if len(arguments) > longest:
        advice = f"at most {longest}" if longest else f"`{name}` without braces"
        raise GeneratorError(f"`{name}` has {len(arguments)} values in braces: type {advice}.")
    return arguments


def _are_digits(arguments: Arguments) -> bool:
    if len(arguments) != 2 or not all(argument.isdecimal() for argument in arguments):
        return False
    digits, places = map(int, arguments)
    return 1 <= digits <= MAX_DIGITS and places <= digits
