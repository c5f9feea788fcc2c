"""A real server for tests: uvicorn on a socket, in a thread of this process, with models in this process too."""

import asyncio
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import StringIO
from typing import Any

import uvicorn

from sensorium.serve.app import application
from sensorium.serve.batching import ServedModel
from sensorium.serve.engine import Engine
from sensorium.serve.metrics import Counts
from sensorium.serve.run import Address, configured, listening
from sensorium.serve.server import Server
from served import InlineWorker, limits


@contextmanager
def running(models: Mapping[str, Any], *, api_key: str | None = None, **changes: Any) -> Iterator[int]:
    """The port of a server of these models by their names. changes: of the limits."""
    granted = limits(**changes)
    workers = {name: InlineWorker(Engine(model, granted)) for name, model in models.items()}
    served = {name: ServedModel(name, worker, limits=granted) for name, worker in workers.items()}
    app = application(Server(served, granted), Counts(), api_key=api_key, loopback=True, log=StringIO())
    listener = listening(Address(host="127.0.0.1", port=0, loopback=True))
    server = uvicorn.Server(configured(app, granted))
    thread = threading.Thread(target=asyncio.run, args=[server.serve(sockets=[listener])])
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()
        listener.close()
