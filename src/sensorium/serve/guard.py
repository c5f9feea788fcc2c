"""What every request passes first: who may ask, how much may be sent, how slowly; and a line of the log for it."""

import asyncio
import hmac
import json
import time
from base64 import urlsafe_b64decode
from collections.abc import Callable, Mapping, Sequence
from ipaddress import ip_address
from typing import Any, TextIO
from urllib.parse import urlsplit

from starlette.routing import Match

from sensorium.serve.limits import Limits
from sensorium.serve.log import now, write_line
from sensorium.serve.messages import RemoteError
from sensorium.serve.responses import error_body

Scope = Mapping[str, Any]
Send = Callable[[Any], Any]
Receive = Callable[[], Any]
OPEN = ("/", "/health", "/v2/health/live", "/v2/health/ready")  # without a key: what says no more than that it runs
_MOST_BODIES = 16  # of the largest size that are held at a time, however many requests they are of
PAGE = "/page/"  # and the page, which asks for the key
KEY_PROTOCOL = "sensorium.key."  # of a WebSocket, before the key in base64url: a browser can send no header there


class Guard:
    """An ASGI application around another one, with these routes.

    api_key: None for none. loopback: whether only this machine is served; then, without a key, other host names are
    refused, by which a page on the web could reach it (DNS rebinding); a reverse proxy here keeps the name that its
    clients use. log: JSON lines, one a request, without contents and keys.
    """

    def __init__(
        self,
        app: Any,
        *,
        routes: Sequence[Any],
        limits: Limits,
        api_key: str | None,
        loopback: bool,
        on_request: Callable[[str, int, float], None],
        log: TextIO | None = None,
    ) -> None:
        self._app, self._routes, self._limits, self._loopback = app, routes, limits, loopback
        self._key = None if api_key is None else api_key.encode()
        self._on_request, self._log = on_request, log
        self._held = 0  # bytes of the bodies of all requests that are not answered yet

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """One request, one WebSocket, or the life of the application."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        seen = _Seen()
        try:
            refusal = self._refusal(scope)
            if refusal is not None:
                await _refuse(scope, seen.watching(send), refusal)
            elif scope["type"] == "websocket":
                await self._app(scope, receive, seen.watching(send))
            else:
                await self._answer(scope, receive, seen.watching(send))
        finally:
            self._record(scope, seen)

    def _refusal(self, scope: Scope) -> RemoteError | None:
        headers = {key: value.decode("latin-1") for key, value in scope["headers"]}
        host = headers.get(b"host", "")
        if self._loopback and self._key is None and not _is_this_machine(host):
            return RemoteError(
                403, "This server is for this machine alone: call it localhost or 127.0.0.1. Other names need a key."
            )
        origin = headers.get(b"origin")
        if origin is not None and origin.partition("://")[2] != host:
            return RemoteError(403, "Pages of other origins may not use this server.")
        if self._key is not None and not self._is_open(scope) and not self._knows_key(headers):
            given = any(name in headers for name in (b"authorization", b"x-api-key"))
            return RemoteError(
                401, f"{'This is not its key. ' if given else ''}Send the key: Authorization: Bearer KEY."
            )
        if scope["type"] == "http":
            if b"content-length" in headers and b"transfer-encoding" in headers:
                return RemoteError(400, "A request has Content-Length or Transfer-Encoding, not both.")
            length = headers.get(b"content-length", "0")
            if length.isdecimal() and int(length[:20]) > self._limits.max_body:
                return self._too_large()
        return None

    def _is_open(self, scope: Scope) -> bool:
        path = scope["path"]
        return scope["type"] == "http" and (path in OPEN or path.startswith(PAGE))

    def _knows_key(self, headers: Mapping[bytes, str]) -> bool:
        assert self._key is not None
        scheme, _, token = headers.get(b"authorization", "").partition(" ")
        given = token.strip() if scheme.lower() == "bearer" else headers.get(b"x-api-key", "")
        found = given.encode("latin-1")
        for protocol in headers.get(b"sec-websocket-protocol", "").split(","):
            if protocol.strip().startswith(KEY_PROTOCOL):
                found = _from_base64(protocol.strip().removeprefix(KEY_PROTOCOL))
        return hmac.compare_digest(found, self._key)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """With a body that is bounded in bytes and in time."""
        loop, size, complete = asyncio.get_running_loop(), 0, False
        until = loop.time() + self._limits.read_timeout

        async def bounded_receive() -> Any:
            nonlocal size, complete
            if complete:  # whether the client is still there
                return await receive()
            try:
                async with asyncio.timeout_at(until):
                    message = await receive()
            except TimeoutError as error:
                raise RemoteError(408, f"The request did not arrive in {self._limits.read_timeout:g} s.") from error
            arrived = len(message.get("body", b""))
            size += arrived
            self._held += arrived
            complete = not message.get("more_body", False)
            if size > self._limits.max_body:
                raise self._too_large()
            if self._held > _MOST_BODIES * self._limits.max_body:
                raise RemoteError(503, "Other requests fill the server's memory for uploads. Try again later.")
            return message

        try:
            await self._app(scope, bounded_receive, send)
        finally:
            self._held -= size

    def _route(self, scope: Scope) -> Any:
        """The route that a refused request was for, None for no route: the path itself may be anything."""
        return next((route for route in self._routes if route.matches(scope)[0] != Match.NONE), None)

    def _too_large(self) -> RemoteError:
        return RemoteError(413, f"The request is larger than {self._limits.max_body:,} bytes.")

    def _record(self, scope: Scope, seen: "_Seen") -> None:
        path = getattr(scope.get("route") or self._route(scope), "path", "unknown")
        seconds = time.perf_counter() - seen.started
        self._on_request(path, seen.status, seconds)
        line = {
            "time": now(),
            "client": (scope.get("client") or ("unknown",))[0],
            "method": scope.get("method", "WEBSOCKET"),
            "path": path,
            "status": seen.status,
            "milliseconds": round(1000 * seconds, 2),
            "bytes": seen.sent,
            **scope.get("state", {}).get("log", {}),
        }
        write_line(line, self._log)


class _Seen:
    """What went out of one request."""

    def __init__(self) -> None:
        self.started, self.status, self.sent = time.perf_counter(), 499, 0  # 499: gone before there was an answer

    def watching(self, send: Send) -> Send:
        """The same, noted."""

        async def watch(message: Any) -> None:
            if message["type"] == "http.response.start":
                self.status = message["status"]
            elif message["type"] == "websocket.accept":
                self.status = 101
            elif message["type"] == "websocket.close" and self.status == 499:
                self.status = 403
            self.sent += len(message.get("body", b""))
            await send(message)

        return watch


async def _refuse(scope: Scope, send: Send, error: RemoteError) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008, "reason": error.message[:100]})
        return
    body = json.dumps(error_body(scope["path"], error.status, error.message)).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    headers += [(b"connection", b"close")] if error.status in (400, 413) else []  # what follows is no request
    headers += [(b"www-authenticate", b"Bearer")] if error.status == 401 else []
    await send({"type": "http.response.start", "status": error.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _is_this_machine(host: str) -> bool:
    """Whether a host, with or without a port, is localhost or an address of this machine's own."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name == "localhost" or ip_address(name).is_loopback
    except ValueError:
        return False


def _from_base64(text: str) -> bytes:
    try:
        return urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        return b""
