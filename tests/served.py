"""Servers for tests: the application and the models in this process, without a socket."""

from collections.abc import Mapping
from dataclasses import replace
from functools import cache, partial
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from PIL import Image
from starlette.testclient import TestClient

import sensorium
from sensorium.cli import app as command_line
from sensorium.cli.serve import limits_of
from sensorium.serve.app import application
from sensorium.serve.batching import ServedModel
from sensorium.serve.engine import Engine
from sensorium.serve.limits import Limits
from sensorium.serve.metrics import Counts
from sensorium.serve.server import Server
from sensorium.serve.worker import WorkerLost

CHECKPOINTS = Path(__file__).parent / "fixtures" / "checkpoints" / "format_2"
KINDS = ("image", "boxes", "masks", "text", "language", "translation", "sound", "speech")


@cache
def loaded(kind: str) -> sensorium.Model:
    """A tiny trained model of a kind."""
    return sensorium.load(CHECKPOINTS / f"{kind}.ckpt", accelerator="cpu")


@cache
def usual_limits() -> Limits:
    return limits_of(command_line.composed("serve", ["ckpt=a"]))


def limits(**changes: Any) -> Limits:
    """Those of configs/serve.yaml, with changes."""
    return replace(usual_limits(), **changes)


def png(seed: int = 0, size: tuple[int, int] = (8, 8)) -> bytes:
    file = BytesIO()
    Image.fromarray(np.random.RandomState(seed).randint(0, 255, size).astype(np.uint8)).save(file, format="png")
    return file.getvalue()


def wav(seed: int = 0, seconds: float = 0.5) -> bytes:
    file = BytesIO()
    noise = np.random.RandomState(seed).uniform(-0.3, 0.3, round(8000 * seconds)).astype(np.float32)
    soundfile.write(file, noise, 8000, format="WAV", subtype="PCM_16")
    return file.getvalue()


class InlineWorker:
    """What `Worker` does, without a process. lost: makes the next call end as that of a process that died."""

    pid = None

    def __init__(self, engine: Any) -> None:
        self.engine, self.lost = engine, False
        self.calls: list[tuple[str, Any]] = []

    def start(self) -> Any:
        return self.engine.facts()

    def call(self, method: str, *arguments: Any) -> Any:
        self.calls.append((method, arguments))
        if self.lost:
            self.lost = False
            raise WorkerLost
        try:
            return getattr(self.engine, method)(*arguments)
        except Exception as error:
            raise self.engine.failure(error) from error

    def stop(self, *, at_once: bool = False) -> None:
        """There is nothing to end."""


def served(
    models: Mapping[str, Any], *, api_key: str | None = None, log: StringIO | None = None, **changes: Any
) -> TestClient:
    """A client of a server of these models by their names, to be entered. changes: of the limits."""
    granted = limits(**changes)
    counts = Counts()
    workers = {name: InlineWorker(Engine(model, granted)) for name, model in models.items()}
    waiting = {
        name: ServedModel(name, worker, limits=granted, on_batch=partial(counts.batch, name))
        for name, worker in workers.items()
    }
    server = Server(waiting, granted)
    app = application(server, counts, api_key=api_key, loopback=True, log=log or StringIO())
    client = TestClient(app, base_url="http://localhost", raise_server_exceptions=False)
    client.server = server
    return client
