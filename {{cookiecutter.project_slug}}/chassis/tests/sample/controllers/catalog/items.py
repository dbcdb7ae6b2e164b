"""A controller in a package, with a list and a PATCH; both answer with the values that the schema has read."""

from typing import Annotated

from pydantic import Field
from quart import Blueprint
from quart_schema import validate_querystring, validate_request

from chassis.http.schemas.body import BodySchema, Text, VisibleText, unset
from chassis.http.schemas.page import PageQuery

blueprint = Blueprint("items", __name__, url_prefix="/catalog")


class ItemQuery(PageQuery):
    name: Text | None = Field(default=None, description="Only items with exactly this name.")
    max_price: int | None = Field(default=None, ge=0)


class ItemUpdateSchema(BodySchema):
    name: Annotated[VisibleText, Field(max_length=20)] = unset()
    description: Text | None = unset()
    price: int = unset()


@blueprint.get("/items")
@validate_querystring(ItemQuery)
async def list_items(query_args: ItemQuery) -> dict[str, object]:
    return query_args.params()


@blueprint.patch("/items/<int:item_id>")
@validate_request(ItemUpdateSchema)
async def update_item(item_id: int, data: ItemUpdateSchema) -> dict[str, object]:
    return {"id": item_id, **data.sent_values()}
