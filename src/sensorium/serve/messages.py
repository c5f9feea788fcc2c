"""What the server's process and the workers' tell each other. Imports no torch: the server's process has none."""

from dataclasses import dataclass, field
from typing import Any

from sensorium.serve.arrays import Pixels, Waveform


@dataclass(frozen=True)
class Outcome:
    """Of one raw input. record: `Prediction.to_dict()`; None with an error. status: of HTTP for the error. texts: the
    prediction in the formats that were asked for, by their names. tensors: what `Prediction.tensors` gives.
    """

    record: dict[str, Any] | None
    error: str | None = None
    status: int = 200
    texts: dict[str, str] = field(default_factory=dict)
    tensors: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Step:
    """Of what comes in pieces. records: what is new. done: whether that was the last."""

    records: tuple[Any, ...]
    done: bool


@dataclass(frozen=True)
class Raw:
    """A raw input: a text, or the content of a file under the name that its sender has for it, or numbers."""

    content: str | bytes | Pixels | Waveform
    name: str


@dataclass(frozen=True)
class Facts:
    """What is known of a served model.

    kind: what a raw input is (image, audio, text or prompt). options: of predictions. formats: of `Outcome.texts`.
    explains: methods of explanation, () for none. streams: whether live audio is taken.
    sample_rate: hertz of audio, 0 for other models. outputs: name, datatype and shape of `Outcome.tensors`.
    """

    task: str
    description: str
    kind: str
    classes: tuple[str, ...]
    options: tuple[str, ...]
    formats: tuple[str, ...]
    explains: tuple[str, ...]
    streams: bool
    sample_rate: int
    outputs: tuple[tuple[str, str, list[int]], ...] = ()


class RemoteError(Exception):
    """What a worker could not do, with the status of HTTP for it."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.status, self.message)
