from io import BytesIO
from typing import Any

import pytest
from pydantic import ValidationError
from quart import Quart
from quart.datastructures import FileStorage
from quart.typing import TestClientProtocol as Client
from quart_schema import DataSource, validate_request

from chassis.domain.exceptions import ConfigurationError
from chassis.http.body_sources import check_body_sources
from chassis.http.schemas import BodySchema, FormSchema, Text
from chassis.tests.sample.controllers.catalog.books import BOOK_ID

PATH = f"/catalog/books/{BOOK_ID}/cover"


class ProfileSchema(FormSchema):
    name: Text
    age: int | None = None
    scores: list[int] = []  # noqa: RUF012 - pydantic copies it
    labels: set[Text] | None = None


@pytest.mark.parametrize(
    ("form", "values"),
    [
        ({"name": "A", "age": "5"}, {"name": "A", "age": 5}),
        ({"name": "A", "scores": "5"}, {"name": "A", "scores": [5]}),
        ({"name": "A", "scores": ["5", "6"]}, {"name": "A", "scores": [5, 6]}),
        ({"name": "A", "labels": "a"}, {"name": "A", "labels": {"a"}}),
    ],
)
def test_reads_text_as_the_type_of_the_field(form: dict[str, Any], values: dict[str, Any]) -> None:
    assert ProfileSchema.model_validate(form).sent_values() == values


@pytest.mark.parametrize(
    ("form", "place"),
    [
        ({"name": "A", "age": "old"}, ("age",)),
        ({"name": "A", "scores": "x"}, ("scores", 0)),
        ({"name": ["A", "B"]}, ("name",)),
        ({"name": "A", "admin": "true"}, ("admin",)),
    ],
)
def test_refuses_values_of_another_type_and_unknown_fields(form: dict[str, Any], place: tuple[str | int, ...]) -> None:
    with pytest.raises(ValidationError) as raised:
        ProfileSchema.model_validate(form)

    assert [error["loc"] for error in raised.value.errors()] == [place]


@pytest.mark.parametrize("count", [1, 2])
async def test_accepts_one_file_and_several_files_for_a_list(client: Client, count: int) -> None:
    files = {"files": FileStorage(BytesIO(b"a"), "a.png")}
    if count > 1:
        files["bindings"] = FileStorage(BytesIO(b"b"), "b.png")  # a file where text is expected

    response = await client.post(PATH, form={"title": "A", "bindings": "hard"}, files=files)

    assert response.status_code == (204 if count == 1 else 400)


async def test_documents_neither_null_nor_a_default_of_null(client: Client) -> None:
    document = await (await client.get("/openapi.json")).get_json()

    operation = document["paths"]["/catalog/books/{book_id}/cover"]["post"]
    reference = operation["requestBody"]["content"]["multipart/form-data"]["schema"]["$ref"]
    schema = document["components"]["schemas"][reference.rpartition("/")[2]]
    assert schema["properties"]["width"] == {"type": "integer", "minimum": 1, "title": "Width"}
    assert schema["properties"]["files"]["items"] == {"type": "string", "format": "binary"}


@pytest.mark.parametrize(
    ("base", "source", "reason"),
    [
        (BodySchema, DataSource.FORM, "create_profile reads a form with Schema, which is for JSON: inherit FormSchema"),
        (BodySchema, DataSource.FORM_MULTIPART, "create_profile reads a form with Schema"),
        (FormSchema, DataSource.JSON, "create_profile reads JSON with Schema, which is for forms: inherit BodySchema"),
    ],
)
def test_refuses_to_start_with_a_schema_for_another_kind_of_body(
    base: type[BodySchema | FormSchema], source: DataSource, reason: str
) -> None:
    app = Quart(__name__)
    schema = type("Schema", (base,), {})

    @app.post("/profile")
    @validate_request(schema, source=source)
    async def create_profile(data: BodySchema | FormSchema) -> str:
        return str(data)

    with pytest.raises(ConfigurationError, match=reason):
        check_body_sources(app)


def test_refuses_to_start_with_a_body_that_is_a_list() -> None:
    app = Quart(__name__)

    class NameSchema(BodySchema):
        name: Text

    @app.post("/names")
    @validate_request(list[NameSchema])
    async def create_names(data: list[NameSchema]) -> str:
        return str(data)

    with pytest.raises(
        ConfigurationError, match=r"create_names reads list.* put the list into a field of a BodySchema"
    ):
        check_body_sources(app)
