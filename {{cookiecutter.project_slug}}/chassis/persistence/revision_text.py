"""Text for a new revision, which `migrations/script.py.mako` writes."""


def docstring(text: str) -> str:
    """Return the text as the contents of a docstring; characters that cannot be seen become escape sequences."""
    encodable = text.strip().encode(errors="replace").decode()
    escaped = encodable.replace("\\", "\\\\").replace('"', '\\"')
    return "".join(character if _is_visible(character) else _escape(character) for character in escaped)


def _is_visible(character: str) -> bool:
    return character.isprintable() or character == "\n"


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode()
