"""Texts that a language model continues, as clients of OpenAI's API ask for them: at once, or as they are made."""

import asyncio
import json
import secrets
import time
from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Any, Literal

from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.types import Receive, Scope, Send

from sensorium.serve.batching import ServedModel
from sensorium.serve.messages import Raw, RemoteError, Step
from sensorium.serve.server import Server

_PIECES = 8  # of a text that are made before the next request has its turn
_MOST_STOPS = 64  # texts that end a completion
_Stop = Annotated[str, Field(max_length=1000)]


class CompletionRequest(BaseModel):
    """POST /v1/completions. One seed gives one text."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    model: Annotated[str, Field(max_length=200)]
    prompt: str
    max_tokens: Annotated[int, Field(ge=1, le=1_000_000)] = 16
    temperature: Annotated[float, Field(ge=0, le=100)] = 1.0
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] = 0
    n: Literal[1] = 1
    stop: _Stop | Annotated[list[_Stop], Field(max_length=_MOST_STOPS)] | None = None
    stream: bool = False
    user: Annotated[str, Field(max_length=1000)] | None = None

    @property
    def stops(self) -> list[str]:
        """Texts before which it ends."""
        given = [self.stop] if isinstance(self.stop, str) else self.stop or []
        return [one for one in given if one]


class Completion:
    """A text that is made in pieces, in turn with other requests of the model. reason: why it ended."""

    def __init__(self, server: Server, model: ServedModel, asked: CompletionRequest) -> None:
        self._server, self._model, self._asked = server, model, asked
        self._number: int | None = None
        self._first = Step((), done=True)
        self._id, self._created = f"cmpl-{secrets.token_hex(12)}", int(time.time())
        self.reason = "length"

    async def start(self) -> None:
        """Makes the first piece, while an error can still be answered as one. Raises RemoteError."""
        options: dict[str, Any] = {
            "length": self._asked.max_tokens,
            "temperature": self._asked.temperature,
            "seed": self._asked.seed,
        }
        if self._asked.top_p is not None:
            options["top_p"] = self._asked.top_p
        self._number = self._server.enter_stream()
        try:
            await self._model.call("open_text", self._number, Raw(self._asked.prompt, "prompt"), options)
            self._first = await self._model.call("next_pieces", self._number, 1)
        except BaseException:
            self.leave()
            raise

    def leave(self) -> None:
        """Has to be called once no more is wanted, however it ended: nobody may have asked for the first piece."""
        if self._number is not None:
            self._server.leave_stream(self._model, self._number)
            self._number = None

    async def whole(self) -> str:
        """The text at once. Raises RemoteError, also where it takes longer than one request may."""
        seconds = self._server.limits.timeout
        try:
            async with asyncio.timeout(seconds):
                return "".join([piece async for piece in self])
        except TimeoutError as error:
            raise RemoteError(504, f"{self._model.name} took longer than {seconds:g} s.") from error
        finally:
            self.leave()

    async def __aiter__(self) -> AsyncIterator[str]:
        step, held = self._first, ""
        while True:
            held += "".join(step.records)
            text, held, stopped = until(held, self._asked.stops, done=step.done)
            if text:
                yield text
            if stopped:
                self.reason = "stop"
            if stopped or step.done:
                break
            step = await self._model.call("next_pieces", self._number, _PIECES)

    async def events(self) -> AsyncIterator[str]:
        """Server-sent events."""
        try:
            async for piece in self:
                yield f"data: {json.dumps(self.record(piece, None))}\n\n"
            yield f"data: {json.dumps(self.record('', self.reason))}\n\n"
        except RemoteError as error:  # the status is sent already
            yield f"data: {json.dumps({'error': {'message': error.message}})}\n\n"
        yield "data: [DONE]\n\n"

    def record(self, text: str, reason: str | None) -> dict[str, Any]:
        """A completion, or a part of one, in OpenAI's form."""
        choice = {"index": 0, "text": text, "logprobs": None, "finish_reason": reason}
        return {
            "id": self._id,
            "object": "text_completion",
            "created": self._created,
            "model": self._model.name,
            "choices": [choice],
        }


class CompletionStream(StreamingResponse):
    """Its events. A client that has left before the first is no reason to keep its place."""

    def __init__(self, completion: Completion) -> None:
        super().__init__(completion.events(), media_type="text/event-stream")
        self._completion = completion

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends them."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._completion.leave()


def until(held: str, stops: Sequence[str], *, done: bool) -> tuple[str, str, bool]:
    """Of a text that grows: what can be sent, what may be the beginning of a stop, and whether there is one."""
    places = [place for stop in stops if (place := held.find(stop)) >= 0]
    if places:
        return held[: min(places)], "", True
    if done or not stops:
        return held, "", False
    beginnings = [n for stop in stops for n in range(1, len(stop)) if held.endswith(stop[:n])]
    keep = max(beginnings, default=0)
    return held[: len(held) - keep], held[len(held) - keep :], False
