"""A recording that training refuses is an item error, never a class."""

from pathlib import Path

import numpy as np
import soundfile
import torch
from torch import Tensor, nn

from sensorium.specs import AudioClassificationSpec
from sensorium.tasks.audio_classification.predict import AudioPredictor
from sensorium.tasks.base import LoadedModel, PredictOptions

RATE = 4000  # hertz


class Second(nn.Module):
    """Always the second of two classes."""

    def forward(self, features: Tensor, lengths: Tensor) -> Tensor:
        return torch.tensor([[0.0, 10.0]]).expand(len(features), 2)


def predictor() -> AudioPredictor:
    features = {"sample_rate": RATE, "num_mels": 4, "window": 0.02, "hop": 0.01, "normalise": "none"}
    spec = AudioClassificationSpec(features=features, num_features=4, class_names=("no", "yes"))
    model = LoadedModel(
        spec=spec, model=Second(), device=torch.device("cpu"), precision="32-true", memory_format="contiguous",
        decoding={},
    )  # fmt: skip
    return AudioPredictor(model, PredictOptions())


def test_what_training_refuses_prediction_refuses_in_the_same_words(tmp_path: Path) -> None:
    tone = 0.5 * np.sin(np.arange(RATE) / 3)
    infinite = tone.copy()
    infinite[40:42] = np.inf
    soundfile.write(tmp_path / "a.wav", tone, RATE)
    soundfile.write(tmp_path / "b.wav", infinite, RATE, subtype="FLOAT")
    soundfile.write(tmp_path / "c.wav", np.stack([tone, -tone], axis=1), RATE, subtype="FLOAT")
    answers = list(predictor().predict([tmp_path / name for name in ("a.wav", "b.wav", "c.wav")]))
    assert [answer.error for answer in answers] == [
        None,
        f"{tmp_path / 'b.wav'}: 2 samples are not a number or infinite, the first at 0.010 s",
        f"{tmp_path / 'c.wav'}: silent: all samples are zero",
    ]
    assert [answer.classes[:1] and answer.classes[0][0] for answer in answers] == ["yes", (), ()]
