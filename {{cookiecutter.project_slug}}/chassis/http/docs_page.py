"""The page at /docs, to read the API and try it out; it loads everything from this service."""

from html import escape
from importlib.resources import files
from mimetypes import add_type

from quart import Quart, Response, ResponseReturnValue, request, send_file, url_for
from quart_schema import hide
from werkzeug.exceptions import NotFound

from chassis.http.routing import public

ASSETS_MAX_AGE = 3600  # seconds: a newer package has the same URLs
CONTENT_SECURITY_POLICY = (
    "default-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>{title}</title>
  <link rel="icon" href="{docs}/assets/favicon-32x32.png">
  <link rel="stylesheet" href="{docs}/assets/swagger-ui.css">
</head>
<body>
  <div id="swagger-ui" data-url="{document}"></div>
  <noscript>This page needs JavaScript.</noscript>
  <script src="{docs}/assets/swagger-ui-bundle.js"></script>
  <script src="{docs}/start.js"></script>
</body>
</html>
"""

# A separate file, because the policy allows no inline scripts. By default another host would validate the document.
START = """const page = document.getElementById("swagger-ui");
SwaggerUIBundle({
  domNode: page,
  url: page.dataset.url,
  deepLinking: true,
  showCommonExtensions: true,
  validatorUrl: null,
});
"""


def register_docs_page(app: Quart, title: str) -> None:
    """Show the document of the endpoint `openapi` at /docs, below the prefix of the request."""
    assets = files("flask_swagger_ui") / "dist"
    names = frozenset(each.name for each in assets.iterdir() if each.is_file())
    add_type("text/javascript", ".js")  # the registry of Windows may say text/plain, which browsers do not run

    @app.get("/docs")
    @public
    @hide
    async def docs() -> ResponseReturnValue:
        page = PAGE.format(title=escape(title), docs=escape(url_for("docs")), document=escape(url_for("openapi")))
        return page, {"Content-Security-Policy": CONTENT_SECURITY_POLICY}

    @app.get("/docs/start.js")
    @public
    @hide
    async def docs_start() -> ResponseReturnValue:
        return START, {"Content-Type": "text/javascript; charset=utf-8"}

    @app.get("/docs/assets/<path:name>")
    @public
    @hide
    async def docs_asset(name: str) -> Response:
        """Serve whole files: a range may be ignored, and an unknown unit must be, see RFC 9110, section 14.2."""
        if name not in names:
            raise NotFound
        response = await send_file(str(assets / name), cache_timeout=ASSETS_MAX_AGE)
        return await response.make_conditional(request)
