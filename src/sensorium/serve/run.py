"""From a request of the command line to a server that runs until it is told to stop."""

import asyncio
import gc
import resource
import signal
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import uvicorn

from sensorium.errors import RequestError
from sensorium.serve.app import application
from sensorium.serve.batching import ServedModel
from sensorium.serve.impatient import impatient
from sensorium.serve.limits import Limits
from sensorium.serve.log import log_warnings
from sensorium.serve.metrics import Counts
from sensorium.serve.server import Server
from sensorium.serve.worker import Worker

_KEEP_ALIVE = 15  # seconds that an idle connection is kept
_BACKLOG = 1024  # connections that wait to be accepted
_LARGEST_FRAME = 1 << 20  # bytes of a message of a WebSocket
_FILES = 65_536  # open files and sockets, where the system allows it


@dataclass(frozen=True, kw_only=True)
class Address:
    """Where a server listens. loopback: whether only this machine can reach it."""

    host: str
    port: int
    loopback: bool


def run_server(
    makers: Mapping[str, Callable[[], Any]],
    address: Address,
    *,
    limits: Limits,
    api_key: str | None,
    say: Callable[[str], None],
) -> None:
    """Serves models by their names until SIGTERM or SIGINT; then finishes what is under way.

    makers: what makes the engine of each, in a process of its own. say: takes lines for the person. Raises RequestError
    for an address that cannot be used, and what loading a model raises.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _FILES if hard == resource.RLIM_INFINITY else min(_FILES, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))
    listener = listening(address)
    try:
        asyncio.run(_serve(makers, address, listener, limits=limits, api_key=api_key, say=say))
    finally:
        listener.close()


def listening(address: Address) -> socket.socket:
    """Bound before any model is loaded, which takes seconds."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    # With the protocol named: else asyncio leaves Nagle's algorithm on, and an answer takes 40 ms more.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((address.host, address.port))
    except OSError as error:
        listener.close()
        why = error.strerror or str(error)
        raise RequestError(f"{address.host}:{address.port} cannot be served: {why}. Set port=OTHER.") from error
    listener.set_inheritable(False)
    return listener


def configured(app: Any, limits: Limits) -> uvicorn.Config:
    """uvicorn without logs of its own, and with less patience."""
    return uvicorn.Config(
        app,
        http=impatient(limits.read_timeout),
        ws="websockets-sansio",
        ws_max_size=_LARGEST_FRAME,
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=_BACKLOG,
        timeout_keep_alive=_KEEP_ALIVE,
        timeout_graceful_shutdown=int(limits.timeout) + 1,
    )


async def _serve(
    makers: Mapping[str, Callable[[], Any]],
    address: Address,
    listener: socket.socket,
    *,
    limits: Limits,
    api_key: str | None,
    say: Callable[[str], None],
) -> None:
    counts = Counts()
    models = {
        name: ServedModel(
            name, Worker(make, timeout=limits.timeout), limits=limits, on_batch=partial(counts.batch, name)
        )
        for name, make in makers.items()
    }
    at_once = True
    try:
        for number, (name, model) in enumerate(models.items(), start=1):  # one after another: loading takes memory
            with suppress(OSError):
                say(f"loading {name} ({number} of {len(models)})")
            await model.start()
        at_once = await _listen(Server(models, limits), counts, address, listener, api_key=api_key, say=say)
    finally:
        for model in models.values():
            await model.stop(at_once=at_once)


async def _listen(
    server: Server,
    counts: Counts,
    address: Address,
    listener: socket.socket,
    *,
    api_key: str | None,
    say: Callable[[str], None],
) -> bool:
    """Whether the person wants it to end at once."""
    app = application(server, counts, api_key=api_key, loopback=address.loopback)
    host = f"[{address.host}]" if ":" in address.host else address.host
    listener.listen(_BACKLOG)  # who asks from now on waits for the moment that uvicorn takes to start
    with suppress(OSError):  # a full disk: to serve counts more than to say so
        say(f"serving {', '.join(server.models)} on http://{host}:{listener.getsockname()[1]}")
    log_warnings()
    gc.collect()
    gc.freeze()  # what was loaded stays: to walk through it at every collection takes a fifth of the time
    runner = _Server(configured(app, server.limits))
    await runner.serve(sockets=[listener])
    return runner.force_exit


class _Server(uvicorn.Server):
    """For whom being told to stop is no error: uvicorn would send itself the signal again at the end."""

    def handle_exit(self, sig: int, frame: Any) -> None:
        """Finishes what is under way; the second Ctrl+C does not wait for it."""
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.should_exit = True
