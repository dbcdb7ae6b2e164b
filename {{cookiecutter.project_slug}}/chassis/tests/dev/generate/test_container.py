import pytest

from chassis.dev.generate.container import add_providers, remove_providers
from chassis.dev.generate.refusal import GeneratorError

SERVICE = "from src.services.repository_service import RepositoryService"  # not at the start of a line
IMPORTS = f"from src.infrastructure.repositories.book_repository import BookRepository\n{SERVICE}\n"
EMPTY = '''"""Doc."""

from chassis.dependency_container import ChassisContainer


class Container(ChassisContainer):
    """Inherits."""
'''
REARRANGED = """# A comment.
import dependency_injector.providers as p
from chassis import dependency_container as base


class Shared(base.ChassisContainer):
    number: int = 1


class Container(Shared):  # ours
    # first
    one = p.Object(1)

    def method(self) -> None: ...

    # the end


MORE = 1
"""
DIRECT = f"""from chassis.dependency_container import ChassisContainer as Base
from dependency_injector.providers import Factory, Provider, Singleton as One
{SERVICE} as Plain

class Container(Base):
    one: Provider[int] = One(int)
    two = Factory(Plain, one)
"""


def test_adds_providers_and_imports_to_an_empty_container() -> None:
    added = add_providers(EMPTY, "Container", "book")

    assert added == (
        '"""Doc."""\n\nfrom dependency_injector import providers\n\n'
        f"from chassis.dependency_container import ChassisContainer\n{IMPORTS}\n\n"
        'class Container(ChassisContainer):\n    """Inherits."""\n\n'
        "    book_repository = providers.Singleton(BookRepository, ChassisContainer.database)\n"
        "    book_service = providers.Factory(RepositoryService, book_repository)\n"
    )


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        (
            REARRANGED,
            "    book_repository = p.Singleton(BookRepository, base.ChassisContainer.database)\n"
            "    book_service = p.Factory(RepositoryService, book_repository)\n\n    # the end\n",
        ),
        (
            DIRECT,
            "    book_repository = One(BookRepository, Base.database)\n"
            "    book_service = Factory(Plain, book_repository)\n",
        ),
    ],
    ids=["aliases", "direct imports"],
)
def test_uses_the_names_that_the_container_uses(source: str, lines: str) -> None:
    assert lines in add_providers(source, "Container", "book")


@pytest.mark.parametrize("source", [EMPTY, REARRANGED, DIRECT], ids=["empty", "aliases", "direct imports"])
def test_removes_what_it_has_added_in_any_order(source: str) -> None:
    with_book = add_providers(source, "Container", "book")
    with_both = add_providers(with_book, "Container", "tag")

    assert remove_providers(with_book, "Container", "book") == source
    assert remove_providers(remove_providers(with_both, "Container", "book"), "Container", "tag") == source


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("class Container(Base): pass\n", "not a class at the top level"),
        ("if True:\n    class Container(Base):\n        one = 1\n", "not a class at the top level"),
        (f"providers = 1\n{EMPTY}", "another `providers`"),
        (f"class BookRepository: ...\n{EMPTY}", "a `BookRepository` already"),
        (EMPTY.replace("chassis.dependency_container", "elsewhere"), "another `ChassisContainer`"),
    ],
)
def test_refuses_a_container_that_it_does_not_understand(source: str, reason: str) -> None:
    with pytest.raises(GeneratorError, match=reason):
        add_providers(source, "Container", "book")


def test_removes_no_provider_that_is_used() -> None:
    source = f"{add_providers(EMPTY, 'Container', 'book')}    shelf = providers.Factory(Shelf, book_service)\n"

    with pytest.raises(GeneratorError, match="still uses `book_service`"):
        remove_providers(source, "Container", "book")
