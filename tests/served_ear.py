"""A recognizer without weights for tests of live audio: it writes l and h for tones that are low and high."""

import io
from types import SimpleNamespace

import numpy as np
import soundfile
import torch
from torch import Tensor, nn

from sensorium.specs import SpeechRecognitionSpec
from sensorium.tasks import registry
from sensorium.tasks.base import LoadedModel, PredictOptions
from sensorium.tasks.python_inputs import content
from sensorium.text.build_tokenizer import train_tokenizer

RATE = 8000  # hertz
HERTZ = {"l": 300, "h": 2500}
TOKENIZER = train_tokenizer("char", ["lh "], vocab_size=10, min_count=1, lowercase=False)
TOKEN = {letter: TOKENIZER.encode(letter)[0] for letter in "lh "}
FEATURES = {"sample_rate": RATE, "num_mels": 4, "window": 0.02, "hop": 0.01, "normalise": "none"}


class Ear(nn.Module):
    """A frame of log-probabilities for each of features."""

    def forward(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        low, high = features[:, :, 0] > -2, features[:, :, -1] > -2
        tokens = torch.where(low & ~high, TOKEN["l"], torch.where(high & ~low, TOKEN["h"], 0))
        return nn.functional.one_hot(tokens, TOKENIZER.vocab_size).float().mul(10).log_softmax(2), lengths

    def output_lengths(self, lengths: Tensor) -> Tensor:
        return lengths

    def stream(self, features: Tensor, state: object) -> tuple[Tensor, object]:
        return self(features, torch.tensor([features.shape[1]]))[0], True

    def flush(self, state: object) -> Tensor:
        return torch.zeros(1, 0, TOKENIZER.vocab_size)


def ear() -> SimpleNamespace:
    """What a server uses of a `sensorium.Model`."""
    spec = SpeechRecognitionSpec(
        features=FEATURES, num_features=4, tokenizer=TOKENIZER.to_dict(), vocab_size=TOKENIZER.vocab_size
    )
    model = LoadedModel(
        spec=spec, model=Ear(), device=torch.device("cpu"), precision="32-true", memory_format="contiguous", decoding={}
    )
    task = registry.of(spec)
    return SimpleNamespace(
        spec=spec,
        task=task.name,
        class_names=(),
        explains=True,
        live=lambda: task.live(model, PredictOptions()),
        predict=lambda raws, **options: task.predictor(model, PredictOptions(**options)).predict(map(content, raws)),
    )


def tones(letters: str) -> np.ndarray:
    """(N,) int16: 0.2 s for each letter, 0.1 s of silence behind it; a space is 1.5 s of silence."""
    time = np.arange(RATE // 5) / RATE
    parts = []
    for letter in letters:
        parts.append(np.zeros(RATE * 3 // 2) if letter == " " else 0.5 * np.sin(2 * np.pi * HERTZ[letter] * time))
        parts.append(np.zeros(RATE // 10))
    return (np.concatenate(parts) * 32767).astype("<i2")


def as_wav(samples: np.ndarray) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, RATE, format="WAV", subtype="PCM_16")
    return file.getvalue()
