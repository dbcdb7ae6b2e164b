from quart import Blueprint, request

blueprint = Blueprint("echo", __name__)


@blueprint.post("/echo")
async def echo() -> dict[str, object]:
    return {"body": await request.get_json()}
