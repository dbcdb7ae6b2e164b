"""An answer that the OpenAPI document of the service does not mention, and a division by zero."""

from quart import Blueprint

blueprint = Blueprint("teapot", __name__)


@blueprint.get("/teapot/<int:number>")
async def teapot(number: int) -> tuple[str, int]:
    return str(1 // (number - 1)), 418
