"""The views that most entities have alike. Write a view by hand for whatever differs."""

from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from uuid import UUID

from pydantic import BaseModel
from quart import Blueprint, ResponseReturnValue, current_app
from quart_schema import document_response, validate_querystring, validate_request

from chassis.domain.exceptions import ConfigurationError
from chassis.domain.ports import Key
from chassis.http.responses import create_empty_response, create_response
from chassis.http.schemas.body import BodySchema
from chassis.http.schemas.page import PageQuery, page_schema
from chassis.services.repository_service import RepositoryService

View = Callable[..., Any]
CONVERTERS = {int: "int", UUID: "uuid", str: "string"}


def register_crud(
    blueprint: Blueprint,
    name: str,
    *,
    schema: type[BaseModel],
    create: type[BodySchema] | None = None,
    update: type[BodySchema] | None = None,
    query: type[PageQuery] | None = PageQuery,
    delete: bool = True,
    path: str | None = None,
    plural: str | None = None,
    service: str | None = None,
) -> None:
    """Register views that create, retrieve, list, update and delete entities below `path`, by default `/<name>`.

    Every entity is sent as `schema`, whose field `id` has the type of the keys. There is no view for a body or a query
    that is None. The views call the service that the container provides as `service`, by default `<name>_service`.
    The view of the list is called after `plural`, by default `name`.

    Raises:
        ConfigurationError: `schema` has no `id`, or one that cannot be a part of a path.
    """
    service = service or f"{name}_service"
    views = _Views(service, schema)
    collection = path or f"/{name}"
    entity = f"{collection}/<{_find_converter(schema)}:{name}_id>"

    def register(method: str, path: str, view_name: str, view: View) -> None:
        view.__name__ = view.__qualname__ = view_name
        view.__module__ = blueprint.import_name
        view.provider_name = service  # type: ignore[attr-defined]  # see `check_injections`
        blueprint.add_url_rule(path, view.__name__, view, methods=[method])

    if create:
        register("POST", collection, f"create_{name}", views.create(create))
    register("GET", entity, f"retrieve_{name}", views.retrieve())
    if query:
        register("GET", collection, f"list_{plural or name}", views.list(query))
    if update:
        register("PATCH", entity, f"update_{name}", views.update(update))
    if delete:
        register("DELETE", entity, f"delete_{name}", views.delete())


def _find_converter(schema: type[BaseModel]) -> str:
    key = schema.model_fields.get("id")
    if not key or key.annotation not in CONVERTERS:
        msg = f"{schema.__name__} needs a field `id` of type int, UUID or str, because paths have it."
        raise ConfigurationError(msg)
    return CONVERTERS[key.annotation]


@dataclass(frozen=True)
class _Views:
    service: str
    schema: type[BaseModel]

    @property
    def entities(self) -> RepositoryService[Any]:
        container: Any = current_app.container  # type: ignore[attr-defined]  # of ChassisApp
        service: RepositoryService[Any] = container.providers[self.service]()
        return service

    def create(self, body: type[BodySchema]) -> View:
        @validate_request(body)
        @document_response(self.schema, HTTPStatus.CREATED)
        async def create(data: BodySchema) -> ResponseReturnValue:
            return create_response(await self.entities.create(data.sent_values()), self.schema, HTTPStatus.CREATED)

        return create  # type: ignore[no-any-return]  # quart-schema's decorators have no types

    def retrieve(self) -> View:
        @document_response(self.schema)
        async def retrieve(**key: Key) -> ResponseReturnValue:
            return create_response(await self.entities.get(*key.values()), self.schema)

        return retrieve

    def list(self, query: type[PageQuery]) -> View:
        @validate_querystring(query)
        @document_response(page_schema(self.schema, itemized=False, by_cursor="cursor" in query.model_fields))
        async def list_all(query_args: PageQuery) -> ResponseReturnValue:
            return create_response(await self.entities.get_all(query_args.params()), self.schema)

        return list_all  # type: ignore[no-any-return]  # quart-schema's decorators have no types

    def update(self, body: type[BodySchema]) -> View:
        @validate_request(body)
        @document_response(self.schema)
        async def update(data: BodySchema, **key: Key) -> ResponseReturnValue:
            (object_id,) = key.values()
            return create_response(await self.entities.update(object_id, data.sent_values()), self.schema)

        return update  # type: ignore[no-any-return]  # quart-schema's decorators have no types

    def delete(self) -> View:
        async def delete(**key: Key) -> ResponseReturnValue:
            await self.entities.delete(*key.values())
            return create_empty_response()

        return delete
