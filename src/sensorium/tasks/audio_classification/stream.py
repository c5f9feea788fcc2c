"""Keyword spotting: commands in continuous audio, as they are spoken."""

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch

from sensorium import output
from sensorium.errors import RunError
from sensorium.output import Record
from sensorium.specs import AudioClassificationSpec
from sensorium.tasks.audio_inputs import CHUNK
from sensorium.tasks.base import LoadedModel, not_finite
from sensorium.tasks.classification.evaluate import Classifier
from sensorium.tasks.live import Live

THRESHOLD = 0.9  # probability from which a command is reported, by default
WINDOW = 1.0  # seconds of audio that are classified
REST = 0.5  # seconds after a command in which it is not reported again
NO_COMMAND = ("unknown", "silence", "_unknown_", "_silence_")  # classes that are not commands


@dataclass(frozen=True)
class Spotted:
    """A command in continuous audio, at a second, with its probability."""

    command: str
    seconds: float
    probability: float

    def to_dict(self) -> Record:
        """As a line of JSON."""
        return {
            "seconds": round(self.seconds, 2),
            "command": self.command,
            "probability": round(self.probability, 4),
        }


class KeywordSpotter(Live):
    """Classifies the last second of audio ten times a second.

    threshold: probability from which a command is reported. `listen` counts seconds and reports as it goes.
    """

    def __init__(self, model: LoadedModel, *, threshold: float) -> None:
        self.spec: AudioClassificationSpec = model.spec
        self.threshold = threshold
        self.sample_rate = int(model.spec.features["sample_rate"])
        self.seconds, self.reported = 0.0, 0
        self._classifier = Classifier(spec=model.spec, **model.model_arguments)
        self._quiet_until = dict.fromkeys(model.spec.class_names, 0.0)
        self._window = np.zeros(0, np.float32)

    @property
    def per_hour(self) -> float:
        """Detections per hour of audio: false alarms where no command was spoken."""
        return self.reported / max(self.seconds, 1e-9) * 3600

    def listen(self, chunks: Iterable[np.ndarray]) -> Iterator[Spotted]:
        """Chunks (n,) float32 of CHUNK seconds -> commands as they are detected."""
        for samples in chunks:
            if (found := self._spot(samples)) is not None:
                yield found

    def push(self, samples: np.ndarray) -> list[Record]:
        size = round(CHUNK * self.sample_rate)
        pieces = [samples[start : start + size] for start in range(0, len(samples), size)]
        return [found.to_dict() for found in self.listen(pieces)]

    def finish(self) -> list[Record]:
        return []

    def _spot(self, samples: np.ndarray) -> Spotted | None:
        """What is detected with these samples as the last ones."""
        self._window = window = np.concatenate([self._window, samples])[-round(WINDOW * self.sample_rate) :]
        self.seconds += len(samples) / self.sample_rate
        if not len(window):
            return None
        found = self._classifier.probabilities(torch.from_numpy(window)[None], torch.tensor([len(window)]))[0]
        if not found.isfinite().all():
            raise RunError(not_finite(f"after {self.seconds:.1f} s of audio"))
        probability, number = (value.item() for value in found.max(0))
        command = self.spec.class_names[int(number)]
        if command in NO_COMMAND or probability < self.threshold or self.seconds < self._quiet_until[command]:
            return None
        self._quiet_until[command] = self.seconds + WINDOW + REST
        self.reported += 1
        return Spotted(command, self.seconds, probability)


def write_commands(
    spotter: KeywordSpotter, chunks: Iterable[np.ndarray], *, kind: str, output_file: str | None
) -> None:
    """Writes commands as they are detected, and the rate of detections to standard error at the end."""
    with output.opened(output_file) as file:
        for number, found in enumerate(spotter.listen(chunks)):
            output.put(_line(found, kind, header=number == 0), file)
    print(
        f"{spotter.reported} commands in {spotter.seconds / 3600:.3f} hours of audio: {spotter.per_hour:.1f} per hour "
        "(false alarms where no command was spoken)",
        file=sys.stderr,
    )


def _line(found: Spotted, kind: str, *, header: bool) -> str:
    record = found.to_dict()
    if kind == "jsonl":
        return output.as_json(record)
    if kind == "csv":
        return output.as_csv([record], header=header)
    return f"{found.seconds:8.1f} s  {found.command}  {found.probability:.3f}\n"
