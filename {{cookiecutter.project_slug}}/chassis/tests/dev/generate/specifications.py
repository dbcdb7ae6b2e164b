"""Makes up specifications of entities; a number always gives the same one."""

from random import Random
from typing import Any

WORDS = ("album", "box", "category", "device", "event", "film", "glass", "hotel", "invoice", "journey")
FIELD_NAMES = (
    "name",
    "code",
    "amount",
    "text",
    "type",
    "note_text",
    "a1",
    "value",
    "day",
    "limit",
    "max",
    "size",
    "hash",
)
PATHS = (None, None, None, "/v1/things/{name}", "/{name}", "/v1/{name}.list")
PLAIN_TYPES = (
    ("string", ("", "{1}", "{13}", "{500}"), ("a", "it's 100%")),
    ("integer", ("",), ("0", "-7")),
    ("biginteger", ("",), ("9000000000",)),
    ("float", ("",), ("1.5", "-0.25")),
    ("decimal", ("{10,2}", "{4,4}", "{3,0}", "{38,10}"), ("0",)),
    ("date", ("",), ("today", "2026-01-31")),
    ("datetime", ("",), ("now",)),
    ("uuid", ("",), ("random",)),
)
OTHER_TYPES = (
    ("text", ("",), ("a",)),
    ("boolean", ("",), ("true", "false")),
    ("json", ("",), ("[]", "{}")),
    ("enum", ("{draft,printed}", "{a-b,c,d1}"), ("",)),
)
SELECTING = ("filter", "sort")


def make_up(number: int, earlier: list[str]) -> dict[str, Any]:
    """Return the step that adds an entity, which may refer to earlier ones and to itself."""
    random = Random(number)  # noqa: S311 - no secret
    name = f"{random.choice(WORDS)}_{_letters(number)}"
    names = random.sample(FIELD_NAMES, random.randint(1, 6))
    fields = [_make_up_field(random, each) for each in names]
    if earlier and random.random() < 0.5:
        fields.append(_make_up_reference(random, "owner", random.choice(earlier)))
    if random.random() < 0.2:
        fields.append("parent:references{" + name + "}?" + random.choice(("", ":filter", ":index:filter")))
    if random.random() < 0.1:
        fields = fields[-1:]
    path = random.choice(PATHS)
    key = random.choice(("integer", "integer", "uuid"))
    return {
        "step": "add_entity",
        "name": name,
        "fields": fields,
        "path": path.format(name=name) if path else None,
        "key": key,
    }


def _make_up_field(random: Random, name: str) -> str:
    is_plain = random.random() < 0.6
    kind, arguments, defaults = random.choice(PLAIN_TYPES if is_plain else OTHER_TYPES)
    argument = random.choice(arguments)
    null = random.choice(("", "", "?"))
    modifiers = [each for each in SELECTING if kind != "json" and random.random() < 0.4]
    if is_plain:
        modifiers += random.choice(([], [], ["unique"], ["index"]))
    if random.random() < 0.3 and "unique" not in modifiers:
        default = random.choice(defaults) or argument.strip("{}").split(",")[0]
        modifiers.append(f"default={'a' if argument == '{1}' else default}")
    return ":".join([name, f"{kind}{argument}{null}", *modifiers])


def _make_up_reference(random: Random, name: str, target: str) -> str:
    null = random.choice(("", "", "?"))
    return f"{name}:references" + "{" + target + "}" + null + random.choice(("", ":index:filter", ":filter", ":unique"))


def _letters(number: int) -> str:
    """Return the number in letters, so that names differ."""
    return "".join(chr(ord("a") + int(digit)) for digit in str(number))
