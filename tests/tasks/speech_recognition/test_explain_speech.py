"""Explanations of a recognizer that hears a letter in each of two tones, whose times are known."""

from io import BytesIO

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image
from torch import Tensor, nn

from sensorium.specs import SpeechRecognitionSpec
from sensorium.tasks import registry
from sensorium.tasks.base import LoadedModel
from sensorium.tasks.explanation import ExplainOptions
from sensorium.tasks.speech_recognition.explain import SpeechExplanation, middle
from sensorium.text.build_tokenizer import train_tokenizer

RATE = 2000  # hertz
HERTZ = {"l": 150, "h": 700, " ": 400}
TOKENIZER = train_tokenizer("char", ["lh "], vocab_size=10, min_count=1, lowercase=False)
TOKEN = {letter: TOKENIZER.encode(letter)[0] for letter in "lh "}
FEATURES = {"sample_rate": RATE, "num_mels": 4, "window": 0.02, "hop": 0.01, "normalise": "none"}
SPEC = SpeechRecognitionSpec(
    features=FEATURES, num_features=4, tokenizer=TOKENIZER.to_dict(), vocab_size=TOKENIZER.vocab_size
)


class Ear(nn.Module):
    """One frame in two: the letter whose band is loud, else a blank."""

    def __init__(self) -> None:
        super().__init__()
        self.silent = nn.Parameter(torch.zeros(1))

    def forward(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        heard = features[:, ::2]
        logits = (
            torch.full((*heard.shape[:2], TOKENIZER.vocab_size), -9.0).index_fill(2, torch.tensor([0]), 0.0)
            + self.silent
        )
        logits = logits.index_add(2, torch.tensor([TOKEN["l"]]), 2 * heard[:, :, :1] + 12)
        logits = logits.index_add(2, torch.tensor([TOKEN["h"]]), 2 * heard[:, :, -1:] + 12)
        logits = logits.index_add(2, torch.tensor([TOKEN[" "]]), 2 * heard[:, :, 1:3].amin(dim=2, keepdim=True) + 12)
        return logits.log_softmax(2), (lengths + 1) // 2

    def output_lengths(self, lengths: Tensor) -> Tensor:
        return (lengths + 1) // 2


def recording(letters: str) -> np.ndarray:
    """0.2 s of faint noise, then for each letter a tone of 0.1 s and 0.3 s of the noise."""
    time = np.arange(RATE // 10) / RATE
    parts = [np.zeros(RATE // 5)]
    for letter in letters:
        parts += [0.5 * np.sin(2 * np.pi * HERTZ[letter] * time), np.zeros(RATE * 3 // 10)]
    whole = np.concatenate(parts)
    return (whole + np.random.default_rng(0).normal(0, 1e-4, len(whole))).astype(np.float32)


def explained(given, **options) -> SpeechExplanation:
    model = LoadedModel(SPEC, Ear(), torch.device("cpu"), "32-true", "contiguous", {})
    (found,) = registry.of(SPEC).explainer(model, ExplainOptions(**options)).explain([given])
    return found


@pytest.mark.parametrize("method", ["occlusion", "integrated_gradients"])
def test_the_map_of_a_letter_lies_in_its_time(method):
    found = explained((recording("lhh"), RATE), method=method)
    assert [one.target for one in found.targets] == ["l", "h", "h"]
    for number, one in enumerate(found.targets):
        begins = 0.2 + 0.4 * number
        energy = np.square(np.clip(one.attribution, 0, None))[:, 0]
        assert energy.shape == (139,)
        inside = energy[round(begins * 100) - 6 : round((begins + 0.1) * 100) + 6]  # a cell more on both sides
        assert inside.sum() / energy.sum() > 0.9, number
        assert one.details["start"] == pytest.approx(begins, abs=0.03)
        assert begins - 0.06 <= one.details["from"] < one.details["to"] <= begins + 0.16
        assert one.faithfulness.deletion < one.faithfulness.random_deletion
        assert one.faithfulness.random_weights_correlation is None


def test_each_character_of_several_words_has_a_map_in_its_time():
    found = explained((recording("lh h"), RATE), method="occlusion", characters=True)
    assert [(one.target, one.details["word"]) for one in found.targets] == [("l", "lh"), ("h", "lh"), ("h", "h")]
    for begins, one in zip((0.2, 0.6, 1.4), found.targets, strict=True):
        assert one.details["start"] == pytest.approx(begins, abs=0.03)
        assert begins - 0.06 <= one.details["from"] < one.details["to"] <= begins + 0.16
    words = explained((recording("lh h"), RATE), method="occlusion")
    assert [one.target for one in words.targets] == ["lh", "h"]
    assert "word" not in words.targets[0].details
    of_one = explained((recording("lh h"), RATE), method="occlusion", characters=True, target=("lh",))
    assert [one.target for one in of_one.targets] == ["l", "h"]


def test_the_forms_of_it():
    found = explained((recording("lh"), RATE), method="occlusion", target=("h",), random_maps=0)
    assert [one.target for one in found.targets] == ["h"]
    with Image.open(BytesIO(found.content(".png"))) as drawn:
        assert drawn.size == (99 * 16 + 16, 2 * (4 * 16 + 36 + 8))  # the spectrogram, and below it the letter's row
    samples, rate = soundfile.read(BytesIO(found.content(".wav")))
    power = np.square(samples)
    assert rate == RATE
    assert power[1100:1500].sum() > 0.95 * power.sum()  # from 0.6 to 0.7 s, and the cells that reach into it
    assert found.marked().plain.startswith("h  decoded at 0.6")
    assert set(found.to_dict()["targets"][0]) >= {"target", "score", "start", "end", "from", "to", "attribution"}


@pytest.mark.parametrize(
    ("given", "options", "said"),
    [
        ((recording(""), RATE), {}, "recording 0: no word is recognized in it"),
        ((recording("l"), RATE), {"target": ("x",)}, "recording 0: 'x' is not a part of 'l'"),
        ((np.tile(recording("lh"), 31), RATE), {}, "31.0 seconds; recordings of up to 30 are explained"),
        (b"no audio", {}, "recording 0: "),
    ],
)
def test_what_has_no_explanation_says_why(given, options, said):
    assert said in explained(given, **options).error


def test_the_middle_of_a_map():
    over_time = np.zeros((100, 1), np.float32)
    over_time[20:30] = 1
    assert middle(over_time, 0.01) == (0.20, pytest.approx(0.29))
    assert middle(-over_time, 0.01) == (None, None)
