"""The web page: three files that load nothing from elsewhere."""

from importlib import resources

from fastapi import APIRouter, Response

_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'; style-src-attr 'unsafe-inline'",  # of explanations of texts: the color of each word
        "img-src 'self' blob: data:",
        "media-src blob:",
        "connect-src 'self'",
        "frame-src 'self'",
        "worker-src 'self'",
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
    "Cache-Control": "no-cache",
}
_FILES = {"page.css": "text/css", "page.js": "text/javascript", "recorder.js": "text/javascript"}


def page_route() -> APIRouter:
    """GET / and what it loads."""
    router = APIRouter(include_in_schema=False)
    folder = resources.files("sensorium.serve").joinpath("page")
    contents = {name: folder.joinpath(name).read_bytes() for name in ("page.html", *_FILES)}

    @router.get("/")
    async def page() -> Response:
        return Response(contents["page.html"], headers=HEADERS, media_type="text/html; charset=utf-8")

    @router.get("/page/{name}")
    async def part(name: str) -> Response:
        if name not in _FILES:
            return Response(status_code=404)
        return Response(contents[name], headers=HEADERS, media_type=_FILES[name])

    return router
