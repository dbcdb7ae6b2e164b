import pytest

from chassis.dev.generate.fields import parse_field
from chassis.dev.generate.names import entity_name, pascal_case, plural_of
from chassis.dev.generate.refusal import GeneratorError
from chassis.dev.generate.specification import specify


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("book", "book"),
        ("Book", "book"),
        ("user-profile", "user_profile"),
        ("UserProfile", "user_profile"),
        ("HTTPLog", "http_log"),
        ("user profile", "user_profile"),
        ("news", "news"),
    ],
)
def test_writes_a_name_in_snake_case(text: str, name: str) -> None:
    assert entity_name(text) == name


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("order", "reserved word of SQL.*`customer_order`"),
        ("user", "reserved word of SQL"),
        ("class", "keyword of Python.*`class_name`"),
        ("match", "keyword of Python"),
        ("größe", "type `groesse`"),
        ("日本", "type `a_name`"),
        ("exception", "would hide Exception"),
        ("a" * 70, "at most 40"),
        ("9lives", "with a letter first"),
        ("a__b.c", "is not the name of an entity"),
        ("", "is not the name of an entity"),
    ],
)
def test_refuses_a_name_with_advice(text: str, advice: str) -> None:
    with pytest.raises(GeneratorError, match=advice):
        entity_name(text)


@pytest.mark.parametrize(
    ("name", "plural"),
    [
        ("book", "books"),
        ("category", "categories"),
        ("day", "days"),
        ("box", "boxes"),
        ("news", "news"),
        ("person", "people"),
        ("user_address", "user_addresses"),
        ("sales_person", "sales_people"),
    ],
)
def test_forms_the_plural(name: str, plural: str) -> None:
    assert plural_of(name) == plural


@pytest.mark.parametrize(("name", "variable"), [("book", "book"), ("list", "list_data"), ("client", "client_data")])
def test_a_variable_of_tests_hides_nothing(name: str, variable: str) -> None:
    assert specify(name, [parse_field("a:string")]).variable == variable


def test_writes_classes_in_pascal_case() -> None:
    assert pascal_case("user_profile") == "UserProfile"
