"""The names of an entity: in snake case for modules, tables and paths, in Pascal case for classes, and its plural."""

import builtins
import keyword
import re
import unicodedata

from sqlalchemy.dialects.postgresql.base import RESERVED_WORDS

from chassis.dev.generate.refusal import GeneratorError

MAX_ENTITY_LENGTH = 40  # characters; PostgreSQL has 63 bytes for a table and for what is named after it
MAX_FIELD_LENGTH = 40
_WORD_BOUNDARY = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|[-_ ]+")
_GERMAN = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "ß": "ss"})
_UNCOUNTABLE = {"data", "equipment", "information", "media", "money", "news", "series", "sheep", "species", "staff"}
_IRREGULAR = {
    "child": "children",
    "foot": "feet",
    "goose": "geese",
    "leaf": "leaves",
    "life": "lives",
    "man": "men",
    "mouse": "mice",
    "person": "people",
    "shelf": "shelves",
    "tooth": "teeth",
    "woman": "women",
}


def snake_case(text: str, *, longest: int, what: str) -> str:
    """Return `user_profile` for `UserProfile` as well as for `user-profile`.

    Raises:
        GeneratorError: the text cannot be a name.
    """
    if not text.isascii():
        raise GeneratorError(f"`{text}` has letters beyond a to z: type `{_transliterate(text)}` instead.")
    name = "_".join(word for word in _WORD_BOUNDARY.split(text) if word).lower()
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name):
        raise GeneratorError(f"`{text}` is not {what}: type letters and digits, with a letter first, as in `due_date`.")
    if len(name) > longest:
        raise GeneratorError(f"`{text}` has {len(name)} characters: choose {what} with at most {longest}.")
    if any(keyword.iskeyword(each) or keyword.issoftkeyword(each) for each in (name, pascal_case(name))):
        raise GeneratorError(f"`{name}` is a keyword of Python: choose a longer name, for instance `{name}_name`.")
    return name


def entity_name(text: str) -> str:
    """Return the name of an entity in snake case.

    Raises:
        GeneratorError: it cannot be the name of a module, a class and a table.
    """
    name = snake_case(text, longest=MAX_ENTITY_LENGTH, what="the name of an entity")
    if name in RESERVED_WORDS:
        raise GeneratorError(
            f"`{name}` is a reserved word of SQL, so a table should not have this name: "
            f"choose a name of two words, for instance `customer_{name}`."
        )
    if hasattr(builtins, pascal_case(name)):
        raise GeneratorError(
            f"The class of `{name}` would hide {pascal_case(name)} of Python: "
            f"choose a name of two words, for instance `service_{name}`."
        )
    return name


def pascal_case(name: str) -> str:
    return "".join(word[:1].upper() + word[1:] for word in name.split("_"))


def plural_of(name: str) -> str:
    """Return the plural of the last word; `--plural` is for words that follow no rule."""
    first, separator, word = name.rpartition("_")
    return f"{first}{separator}{_plural_of_word(word)}"


def _plural_of_word(word: str) -> str:
    if word in _UNCOUNTABLE:
        return word
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if re.search("[^aeiou]y$", word):
        return f"{word[:-1]}ies"
    return f"{word}es" if re.search("(s|x|z|ch|sh)$", word) else f"{word}s"


def with_article(name: str) -> str:
    """Return `an_author` for `author`, for the names of tests."""
    return f"an_{name}" if name[0] in "aeiou" else f"a_{name}"


def _transliterate(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text.translate(_GERMAN))
    ascii_text = re.sub("[^A-Za-z0-9_ -]", "", decomposed.encode("ascii", "ignore").decode())
    return ascii_text.lower() or "a_name"
