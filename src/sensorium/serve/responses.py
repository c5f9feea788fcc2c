"""What goes back: records as JSON, errors in one form."""

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from sensorium.files import json_text
from sensorium.serve.messages import RemoteError
from sensorium.serve.request_body import explained

# What every route may answer beside 200, for its description.
_ERROR = {"type": "object", "properties": {"error": {"type": ["string", "object"]}}, "required": ["error"]}
_WHY = {
    400: "an input that cannot be read, or an option that is not possible with this model",
    401: "without the key",
    403: "a page of another origin, or another host name",
    404: "no such model",
    405: "another method",
    408: "the request arrived too slowly",
    413: "a request or an input that is too large",
    415: "neither JSON nor a form",
    422: "a field that is missing, unknown or of a wrong type",
    429: "too many requests wait for this model",
    500: "a fault",
    503: "the model's worker is starting, or ended during the request",
    504: "it took too long",
}
ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"description": why, "content": {"application/json": {"schema": _ERROR}}} for status, why in _WHY.items()
}
_PAUSE = {429: "1", 503: "5"}  # seconds: Retry-After


def json_response(value: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """NaN and infinity, which JSON does not have, are null."""
    return Response(json_text(value), status, headers, "application/json")


def error_body(path: str, status: int, message: str) -> dict[str, Any]:
    """{"error": ...}; for a path of OpenAI's API in its form."""
    if path.startswith("/v1/"):
        kind = "server_error" if status >= 500 else "invalid_request_error"
        return {"error": {"message": message, "type": kind, "param": None, "code": None}}
    return {"error": message}


def error_response(path: str, status: int, message: str) -> Response:
    """An error, and where it will pass, when to ask again."""
    headers = {"Retry-After": _PAUSE[status]} if status in _PAUSE else {}
    return json_response(error_body(path, status, message), status=status, headers=headers)


def install_errors(app: FastAPI) -> None:
    """Every error as `error_response`."""

    @app.exception_handler(RemoteError)
    async def remote(request: Request, error: RemoteError) -> Response:
        return error_response(request.url.path, error.status, error.message)

    @app.exception_handler(ClientDisconnect)
    async def gone(request: Request, error: ClientDisconnect) -> Response:
        return Response(status_code=499)  # no fault of ours; for the log, as there is no one to read it

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        return error_response(request.url.path, 422, explained(error.errors()))

    @app.exception_handler(Exception)
    async def fault(request: Request, error: Exception) -> Response:
        return error_response(request.url.path, 500, f"A fault of the server ({type(error).__name__}).")

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        response = error_response(request.url.path, error.status_code, str(error.detail))
        response.headers.update(error.headers or {})
        return response
