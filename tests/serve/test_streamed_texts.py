"""Texts that come in pieces: whatever becomes of their clients, their places and what the worker keeps are given up."""

import asyncio
import io
import itertools
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

pytest.importorskip("fastapi")

from sensorium.serve.app import application
from sensorium.serve.batching import ServedModel
from sensorium.serve.completions import Completion, CompletionRequest
from sensorium.serve.engine import Engine
from sensorium.serve.messages import RemoteError, Step
from sensorium.serve.metrics import Counts
from sensorium.serve.server import Server
from served import InlineWorker, limits, loaded
from worker_engines import EchoEngine

ASKED = {"model": "language", "prompt": "one", "max_tokens": 300, "stream": True}
SCOPE = {
    "type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "http_version": "1.1", "method": "POST",
    "scheme": "http", "path": "/v1/completions", "raw_path": b"/v1/completions", "query_string": b"", "root_path": "",
    "headers": [(b"host", b"localhost"), (b"content-type", b"application/json")], "server": ("localhost", 80),
}  # fmt: skip


class Slow(EchoEngine):
    """Continues a text without end, and is slow at it."""

    def __init__(self) -> None:
        self.open: set[int] = set()

    def open_text(self, number: int, *_: object) -> None:
        self.open.add(number)

    def next_pieces(self, number: int, most: int) -> Step:
        time.sleep(0.05)
        return Step(("a",) * most, done=False)

    def close(self, number: int) -> None:
        self.open.discard(number)


def with_server(engine: Any, use: Callable[[Server], Awaitable[Any]], **changes: Any) -> Any:
    """What `use` gives for a server of one model, once nothing waits for that any longer."""

    async def run() -> Any:
        granted = limits(**changes)
        model = ServedModel("language", InlineWorker(engine), limits=granted)
        await model.start()
        try:
            found = await use(Server({"language": model}, granted))
            await model.call("close", -1)  # behind all that was asked before
            return found
        finally:
            await model.stop()

    return asyncio.run(run())


async def streamed_until(server: Server, events: int) -> list[int]:
    """The statuses of a streamed completion whose client leaves after so many messages."""
    app = application(server, Counts(), api_key=None, loopback=True, log=io.StringIO())
    body = {"type": "http.request", "body": json.dumps(ASKED).encode(), "more_body": False}
    messages, left = iter([body]), asyncio.Event()
    sent: list[Any] = []

    async def receive() -> Any:
        for message in messages:
            return message
        if events:
            await left.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)
        if len(sent) == events:
            left.set()
        await asyncio.sleep(0)

    await app(SCOPE | {"state": {}}, receive, send)
    return [one["status"] for one in sent if "status" in one]


@pytest.mark.parametrize("events", [0, 1, 3])
def test_a_client_that_leaves_gives_up_its_place(events: int) -> None:
    engine = Engine(loaded("language"), limits())

    async def three(server: Server) -> tuple[list[int], int]:
        statuses = itertools.chain(*[await streamed_until(server, events) for _ in range(3)])
        return list(statuses), server.streams

    statuses, streams = with_server(engine, three, max_streams=1)
    assert (set(statuses) <= {200}, streams, engine._open) == (True, 0, {})


def test_a_text_that_takes_longer_than_a_request_may_is_given_up() -> None:
    engine = Slow()

    async def status(server: Server) -> tuple[int, int]:
        asked = CompletionRequest(**ASKED | {"stream": False})
        completion = Completion(server, server.models["language"], asked)
        await completion.start()
        with pytest.raises(RemoteError) as caught:
            await completion.whole()
        return caught.value.status, server.streams

    assert with_server(engine, status, timeout=0.3) == (504, 0)
    assert engine.open == set()


def test_what_was_opened_for_a_client_that_no_longer_waits_is_closed() -> None:
    class SlowToOpen(Slow):
        def open_text(self, number: int, *_: object) -> None:
            time.sleep(0.3)
            super().open_text(number)

    engine = SlowToOpen()

    async def status(server: Server) -> tuple[int, int]:
        completion = Completion(server, server.models["language"], CompletionRequest(**ASKED))
        with pytest.raises(RemoteError) as caught:
            await completion.start()
        await asyncio.sleep(0.3)
        return caught.value.status, server.streams

    assert with_server(engine, status, timeout=0.2) == (504, 0)
    assert engine.open == set()


def test_a_full_queue_keeps_nothing_from_being_closed() -> None:
    engine = Slow()

    async def use(server: Server) -> list[int]:
        model, number = server.models["language"], server.enter_stream()
        await model.call("open_text", number)
        waiting = [asyncio.create_task(model.call("next_pieces", number, 1)) for _ in range(3)]
        await asyncio.sleep(0.01)
        server.leave_stream(model, number)
        found = await asyncio.gather(*waiting, return_exceptions=True)
        return [one.status for one in found if isinstance(one, RemoteError)]

    assert with_server(engine, use, max_queue=2) == [429]
    assert engine.open == set()
