import pytest

from chassis.dev.generate.defaults import check_default, value_of_default
from chassis.dev.generate.fields import parse_field, parse_fields
from chassis.dev.generate.refusal import GeneratorError


def test_reads_type_arguments_null_and_modifiers() -> None:
    field = parse_field("due-Date:decimal{10,2}?:index:filter:sort:default=1.50")

    assert (field.name, field.type, field.arguments) == ("due_date", "decimal", ("10", "2"))
    assert (field.nullable, field.unique, field.index, field.filter, field.sort) == (True, False, True, True, True)
    assert field.default == "1.50"


@pytest.mark.parametrize(
    ("text", "name", "target"),
    [
        ("author:references", "author_id", "author"),
        ("author:references{person}", "author_id", "person"),
        ("author_id:references", "author_id", "author"),
    ],
)
def test_names_a_reference_after_its_column(text: str, name: str, target: str) -> None:
    field = parse_field(text)

    assert (field.name, field.arguments) == (name, (target,))


@pytest.mark.parametrize(
    ("text", "index"),
    [("author:references", True), ("author:references:index", True), ("author:references:unique", False)],
)
def test_a_reference_has_an_index(text: str, index: bool) -> None:
    assert parse_field(text).index is index


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("title", "type name:type"),
        ("title:varchar", "`varchar` is not a type: the types are string, text"),
        ("title:string{20", "`title:string{20` is not a field"),
        ("title:strng{20}", "`strng` is not a type: type `string`"),
        ("title:string(20)?", "instead of braces: type 'title:string{20}\\?'"),
        ("state:enumdraft", "in quotation marks, as in 'state:enum{draft,printed}'"),
        ("price:decimal10", "in quotation marks"),
        ("price:decimal", "type `decimal{10,2}`"),
        ("price:decimal{2,3}", "type `decimal{10,2}`"),
        ("state:enum{draft}", "two values or more"),
        ("state:enum{a-b,a_b}", "remove one of them"),
        ("state:enum{1st,2nd}", "with a letter first"),
        ("title:string{0}", "1 to 10000 characters"),
        ("title:string:uniq", "the modifiers are unique"),
        ("pages:integer{3}", "type `integer` without braces"),
        ("title:string{1,2}", "at most 1"),
        ("author:references{a,b}", "at most 1"),
        ("state:enum{" + ",".join(f"a{number}" for number in range(101)) + "}", "at most 100"),
        ("id:integer", "by hand"),
        ("created_at:datetime", "by hand"),
        ("class:string", "keyword of Python"),
        ("none:string", "keyword of Python"),
        ("l:integer", "a longer name"),
        ("date:date", "`date_value`"),
        ("unset:string", "`unset_value`"),
        ("sort_by:string", "`sort_by_value`"),
        ("mapped_column:string", "`mapped_column_value`"),
        ("xmin:integer", "`xmin_value`"),
        ("schema:string", "`schema_value`"),
        ("per_page:integer", "`per_page_value`"),
        ("metadata:json", "`metadata_value`"),
        ("größe:integer", "type `groesse`"),
        ("x" * 41 + ":integer", "at most 40"),
        ("2nd:integer", "with a letter first"),
        ("tags:json:filter", "leave out `filter`"),
        ("note:text:unique", "type `string{500}`"),
        ("note:string{501}:index", "type `string{500}`"),
        ("done:boolean:unique", "leave out `unique`"),
        ("isbn:string:unique:default=x", "leave out one of both"),
        ("at:datetime:unique:default=now", "leave out one of both"),
        ("isbn:string:unique:index", "leave out `index`"),
        ("author:references:sort", "leave out `sort`"),
    ],
)
def test_refuses_a_field_with_advice(text: str, advice: str) -> None:
    with pytest.raises(GeneratorError, match=advice.replace("{", r"\{").replace("[", r"\[")):
        parse_field(text)


@pytest.mark.parametrize(
    "text",
    [
        "title:string{2}:default=abc",
        "pages:integer:default=2147483648",
        "pages:integer:default=x",
        "price:decimal{4,2}:default=100",
        "done:boolean:default=yes",
        "day:date:default=2026-02-30",
        "at:datetime:default=2026-01-31T22:00:00Z",
        "token:uuid:default=1",
        "tags:json:default=null",
        "state:enum{a,b}:default=c",
        "author:references:default=1",
    ],
)
def test_refuses_a_default_of_another_type(text: str) -> None:
    with pytest.raises(GeneratorError, match="is not a default of"):
        check_default(parse_field(text))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a:decimal{5,2}:default=-0", "'0.00'"),
        ("a:decimal{50,25}:default=" + "9" * 25, repr("9" * 25 + "." + "0" * 25)),
        ("a:integer:default=007", "7"),
        ("a:string:default=it's", '"it\'s"'),
    ],
)
def test_a_test_expects_a_default_as_clients_receive_it(text: str, value: str) -> None:
    assert value_of_default(parse_field(text)) == value


def test_a_default_may_have_a_colon() -> None:
    assert parse_field("title:string:default=a:b").default == "a:b"


def test_refuses_a_field_that_is_named_twice() -> None:
    with pytest.raises(GeneratorError, match="`author_id` is named twice"):
        parse_fields(("author:references", "author_id:integer"))
