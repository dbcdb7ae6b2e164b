from dataclasses import dataclass
from typing import Any

import pytest
from dependency_injector import containers, providers
from pydantic import BaseModel
from quart import Blueprint, Quart
from quart.typing import TestClientProtocol as Client
from quart_schema import Info

from chassis.dev.testing.fake_repository import FakeRepository
from chassis.domain.exceptions import ConfigurationError
from chassis.http.crud import register_crud
from chassis.http.errors import register_error_handlers
from chassis.http.injection import check_injections
from chassis.http.openapi import register_openapi
from chassis.http.requests import JSONRequest
from chassis.http.schemas.body import BodySchema, Text, unset
from chassis.http.schemas.page import PageQuery
from chassis.services.repository_service import RepositoryService


@dataclass(kw_only=True)
class Author:
    id: int
    name: str


class AuthorSchema(BaseModel):
    id: int
    name: str


class CreateSchema(BodySchema):
    name: Text


class UpdateSchema(BodySchema):
    name: Text = unset()


class AuthorQuery(PageQuery):
    name: Text | None = None


def create_app(**models: Any) -> Quart:
    app, blueprint = Quart(__name__), Blueprint("author", __name__, url_prefix="/v1")
    app.request_class = JSONRequest
    register_crud(blueprint, "author", **{"schema": AuthorSchema, **models})
    app.register_blueprint(blueprint)
    service = RepositoryService(FakeRepository(Author))
    container = containers.DynamicContainer()
    container.author_service = providers.Object(service)
    app.container = container  # type: ignore[attr-defined]
    register_error_handlers(app, {})
    register_openapi(app, info=Info("test", "1"), prefix="", served=True)
    return app


@pytest.fixture(name="client")
def _client() -> Client:
    return create_app(create=CreateSchema, update=UpdateSchema, query=AuthorQuery).test_client()


async def test_serves_the_life_of_an_entity(client: Client) -> None:
    created = await client.post("/v1/author", json={"name": "Ann"})
    await client.post("/v1/author", json={"name": "Bob"})
    listed = await client.get("/v1/author?name=Ann&per_page=5")
    updated = await client.patch("/v1/author/1", json={"name": "Anna"})
    retrieved = await client.get("/v1/author/1")
    deleted = await client.delete("/v1/author/1")

    assert (created.status_code, await created.get_json()) == (201, {"id": 1, "name": "Ann"})
    assert (await listed.get_json())["items"] == [{"id": 1, "name": "Ann"}]
    assert await updated.get_json() == await retrieved.get_json() == {"id": 1, "name": "Anna"}
    assert (deleted.status_code, await deleted.get_data()) == (204, b"")
    assert (await client.get("/v1/author/1")).status_code == 404


async def test_refuses_bad_input(client: Client) -> None:
    response = await client.post("/v1/author", json={"name": 1})

    assert (response.status_code, list((await response.get_json())["error_message"])) == (400, ["name"])
    assert (await client.get("/v1/author/a")).status_code == 404


async def test_documents_every_view(client: Client) -> None:
    paths = (await (await client.get("/openapi.json")).get_json())["paths"]

    operations = {operation["operationId"] for path in paths.values() for operation in path.values()}
    assert operations == {
        "create_author",
        "list_author",
        "retrieve_author",
        "update_author",
        "delete_author",
    }
    assert [parameter["name"] for parameter in paths["/v1/author/{author_id}"]["get"]["parameters"]] == ["author_id"]


async def test_leaves_out_views_without_a_model() -> None:
    client = create_app(query=None, delete=False).test_client()

    assert (await client.get("/v1/author")).status_code == 404
    assert (await client.patch("/v1/author/1", json={"name": "a"})).status_code == 405


def test_names_a_provider_that_does_not_exist() -> None:
    app = create_app()

    with pytest.raises(
        ConfigurationError, match=r"test_crud\.\w+_author asks for 'author_service', which src/dependency_con"
    ):
        check_injections(app, [], {"another_service"})


async def test_calls_the_service_of_another_name() -> None:
    app = create_app(service="people")
    app.container.people = app.container.author_service  # type: ignore[attr-defined]

    assert (await app.test_client().get("/v1/author")).status_code == 200


def test_requires_a_key_that_can_be_a_part_of_a_path() -> None:
    class WithoutKey(BaseModel):
        name: str

    with pytest.raises(ConfigurationError, match="WithoutKey needs a field `id`"):
        create_app(schema=WithoutKey)
