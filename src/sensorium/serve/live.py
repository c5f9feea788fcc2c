"""Live speech over a WebSocket: samples in, what is recognized out, while it is spoken."""

import asyncio
import json
from contextlib import suppress
from typing import Any

import numpy as np
from fastapi import APIRouter, WebSocket, WebSocketDisconnect

from sensorium.files import json_text
from sensorium.serve.batching import ServedModel
from sensorium.serve.messages import RemoteError, Step
from sensorium.serve.server import Server, facts_of

PROTOCOL = "sensorium"
_FINISHED, _REFUSED, _LATER = 1000, 1008, 1013  # codes of a WebSocket's end
_LARGEST = 1 << 20  # bytes of one message


def live_route(server: Server) -> APIRouter:
    """GET /live?model=NAME, a WebSocket.

    In: binary messages of raw samples, 16 bits, little-endian, one channel, at the model's rate; the text "end" ends
    the recording. Out: JSON, first {"sample_rate": ...}, then a record whenever something is new, {"error": ...} where
    it cannot go on, and {"end": true}.
    """
    router = APIRouter()

    @router.websocket("/live")
    async def live(socket: WebSocket, model: str | None = None) -> None:
        offered = socket.scope.get("subprotocols", [])
        await socket.accept(PROTOCOL if PROTOCOL in offered else None)
        try:
            await _Session(server, socket, server.model(model, request=socket)).run()
        except RemoteError as error:
            with suppress(TimeoutError, WebSocketDisconnect):
                async with asyncio.timeout(server.limits.read_timeout):
                    await socket.send_text(json.dumps({"error": error.message}))
                    await socket.close(_LATER if error.status in (429, 503) else _REFUSED)
        except (WebSocketDisconnect, TimeoutError):
            pass  # the other end is gone, or no longer reads

    return router


class _Session:
    """One recording that comes in."""

    def __init__(self, server: Server, socket: WebSocket, model: ServedModel) -> None:
        self._server, self._socket, self._model = server, socket, model
        self._rate = facts_of(model).sample_rate
        self._left = round(server.limits.max_seconds * self._rate)  # samples that may still come
        # Speech comes in no slower than it is spoken; a trickle of samples must not hold a place without end.
        self._seconds = server.limits.max_seconds + server.limits.read_timeout
        self._until = asyncio.get_running_loop().time() + self._seconds

    async def run(self) -> None:
        """Until the end of the recording. Raises RemoteError, and WebSocketDisconnect."""
        if not facts_of(self._model).streams:
            raise RemoteError(400, f"{self._model.name} takes no live audio.")
        number = self._server.enter_stream()
        try:
            await self._model.call("open_live", number, {})
            await self._send({"sample_rate": self._rate})
            while (samples := await self._receive()) is not None:
                await self._send_all(await self._model.call("push", number, samples))
            await self._send_all(await self._model.call("finish", number))
            await self._send({"end": True})
            await self._socket.close(_FINISHED)
        finally:
            self._server.leave_stream(self._model, number)

    async def _receive(self) -> bytes | None:
        """The next samples, float32; None for the end. Raises RemoteError."""
        seconds, now = self._server.limits.read_timeout, asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout_at(min(now + seconds, self._until)):
                message = await self._socket.receive()
        except TimeoutError as error:
            ended = now + seconds > self._until
            why = f"A live connection lasts at most {self._seconds:g} s." if ended else f"No audio for {seconds:g} s."
            raise RemoteError(408, why) from error
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", _FINISHED))
        data = message.get("bytes")
        if data is None:
            if message.get("text") == "end":
                return None
            raise RemoteError(400, 'Send samples as binary messages, or the text "end".')
        if len(data) % 2 or len(data) > _LARGEST:
            raise RemoteError(400, f"A message holds whole samples of 2 bytes, at most {_LARGEST:,} bytes.")
        self._left -= len(data) // 2
        if self._left < 0:
            raise RemoteError(413, f"At most {self._server.limits.max_seconds:g} s of audio are accepted.")
        return (np.frombuffer(data, "<i2").astype(np.float32) / 32768).tobytes()

    async def _send_all(self, step: Step) -> None:
        for record in step.records:
            await self._send(record)

    async def _send(self, record: Any) -> None:
        async with asyncio.timeout(self._server.limits.read_timeout):
            await self._socket.send_text(json_text(record))
