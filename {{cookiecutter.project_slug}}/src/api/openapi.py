"""Where the API is depends on the request: a proxy may serve it below a prefix that no setting names."""

from typing import Any

from quart import has_request_context, request
from quart_schema import OpenAPIProvider


class OpenAPI(OpenAPIProvider):
    def schema(self) -> dict[str, Any]:
        """Outside of a request, as on the command line, the server is the one that the settings name."""
        schema = super().schema()
        if has_request_context():
            schema["servers"] = [{"url": request.root_path or "/"}]
        return schema
