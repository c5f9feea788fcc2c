"""Commands in continuous audio: one report for each, none below the threshold, none for what is no command."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sensorium.specs import AudioClassificationSpec
from sensorium.tasks.audio_classification.stream import KeywordSpotter
from sensorium.tasks.audio_inputs import CHUNK
from sensorium.tasks.base import LoadedModel

RATE = 1000  # hertz
CLASSES = ("go", "stop", "unknown")


class Loudest(nn.Module):
    """go for loud sound, stop for soft, unknown for none: with a probability of about 0.8."""

    def forward(self, features: Tensor, lengths: Tensor) -> Tensor:
        level = features.amax(dim=(1, 2))
        number = torch.where(level > 0, 0, torch.where(level > -8, 1, 2))
        return 2.08 * nn.functional.one_hot(number, 3).float()


def spotter(threshold: float) -> KeywordSpotter:
    features: dict[str, Any] = {"sample_rate": RATE, "num_mels": 4, "normalise": "none"}
    spec = AudioClassificationSpec(class_names=CLASSES, features=features, num_features=4)
    model = LoadedModel(
        spec=spec, model=Loudest(), device=torch.device("cpu"), precision="32-true", memory_format="contiguous",
        decoding={},
    )  # fmt: skip
    return KeywordSpotter(model, threshold=threshold)


def sound(*tones: tuple[float, float], seconds: float) -> list[np.ndarray]:
    """Chunks of a second's tenth; tones: (second it begins at, amplitude), a tenth of a second each."""
    samples = np.zeros(round(seconds * RATE), np.float32)
    for begin, amplitude in tones:
        place = slice(round(begin * RATE), round((begin + 0.1) * RATE))
        samples[place] = amplitude * np.sin(2 * np.pi * 200 * np.arange(RATE // 10) / RATE)
    size = round(CHUNK * RATE)
    return [samples[first : first + size] for first in range(0, len(samples), size)]


def test_a_command_is_reported_once_when_it_is_heard() -> None:
    found = spotter(0.7)
    heard = list(found.listen(sound((2.0, 0.9), (6.0, 0.01), seconds=10)))
    assert [one.command for one in heard] == ["go", "stop"]
    assert [one.seconds for one in heard] == pytest.approx([2.1, 6.1], abs=0.11)
    assert [one.probability for one in heard] == pytest.approx([0.8, 0.8], abs=0.01)
    assert found.seconds == pytest.approx(10)
    assert found.per_hour == pytest.approx(2 * 360)


def test_nothing_is_reported_below_the_threshold() -> None:
    assert not list(spotter(0.85).listen(sound((2.0, 0.9), seconds=4)))


def test_said_again_it_is_reported_again() -> None:
    heard = list(spotter(0.7).listen(sound((1.0, 0.9), (4.0, 0.9), seconds=6)))
    assert [one.command for one in heard] == ["go", "go"]
