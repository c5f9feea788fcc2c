"""Explanations of recordings by a network that listens to one place in time and frequency."""

from io import BytesIO

import numpy as np
import pytest
import soundfile
import torch
from torch import nn

from sensorium.audio.features import Features
from sensorium.batches import AudioBatch
from sensorium.errors import RequestError
from sensorium.specs import AudioClassificationSpec
from sensorium.tasks import registry
from sensorium.tasks.audio_explanations import Recording, audio_examples, filtered
from sensorium.tasks.base import LoadedModel
from sensorium.tasks.explanation import ExplainOptions

RATE, MELS = 8000, 12
FEATURES = {"sample_rate": RATE, "kind": "log_mel", "num_mels": MELS, "normalise": "none"}
SPEC = AudioClassificationSpec(class_names=("low", "high"), features=FEATURES, num_features=MELS)


class Bands(nn.Module):
    """Logits (B, 2): the mean of the two lowest mel bands, and of the two highest."""

    def forward(self, features, lengths):
        return torch.stack([features[:, :, :2].mean(dim=(1, 2)), features[:, :, -2:].mean(dim=(1, 2))], dim=1)


def recording() -> np.ndarray:
    """A second of faint noise; from 0.4 to 0.6 s a tone of 100 Hz, and one of 3,500 Hz."""
    time = np.arange(RATE) / RATE
    tones = 0.3 * np.sin(2 * np.pi * 100 * time) + 0.3 * np.sin(2 * np.pi * 3500 * time)
    noise = np.random.default_rng(0).normal(0, 1e-3, RATE)
    return (noise + tones * ((time > 0.4) & (time < 0.6))).astype(np.float32)


def explained(given, **options):
    model = LoadedModel(SPEC, Bands(), torch.device("cpu"), "32-true", "contiguous", {})
    (found,) = registry.of(SPEC).explainer(model, ExplainOptions(**options)).explain([given])
    return found


@pytest.mark.parametrize("method", ["integrated_gradients", "occlusion"])
def test_the_map_lies_where_the_network_listens(method):
    found = explained((recording(), RATE), method=method, target=("low", "high"))
    low, high = (one.attribution for one in found.targets)
    assert low.shape == (98, MELS)
    for name, energy in (("low", low), ("high", high)):
        inside = np.abs(energy)[36:62]  # frames of 10 ms that reach into the tone
        assert inside.sum() / np.abs(energy).sum() > 0.8, name
    assert np.abs(low[:, :4]).sum() / np.abs(low).sum() > 0.8  # windows of three bands spread it
    assert np.abs(high[:, -4:]).sum() / np.abs(high).sum() > 0.8
    assert found.targets[0].faithfulness.deletion < found.targets[0].faithfulness.random_deletion


def test_the_forms_of_it():
    found = explained((recording(), RATE), method="integrated_gradients", target=("high",))
    assert found.drawn().size[0] > 2 * 98
    assert found.content(".png").startswith(b"\x89PNG")
    samples, rate = soundfile.read(BytesIO(found.content(".wav")))
    assert (len(samples), rate) == (RATE, RATE)
    power = np.abs(np.fft.rfft(samples)) ** 2  # a hertz a bin
    assert power[3000:].sum() > 100 * power[:1000].sum()
    assert np.square(samples[3000:5000]).sum() > 0.95 * np.square(samples).sum()


def test_a_map_that_lets_all_through_gives_the_recording():
    features = Features(**FEATURES)
    samples = recording()
    kept = Recording(samples, np.zeros((98, MELS)), features)
    assert np.abs(filtered(kept, np.ones((98, 1), np.float32)) - samples)[200:-200].max() < 1e-5
    assert not filtered(kept, -np.ones((98, MELS), np.float32)).any()


class Kept:
    """Two recordings, of half a second and of a second."""

    names = ("short.wav", "long.wav")

    def __init__(self, signal: torch.Tensor) -> None:
        self._signal = signal

    def read(self, rows):
        return AudioBatch(self._signal[rows], torch.tensor([RATE // 2, RATE])[rows], torch.zeros(len(rows)), rows)


def test_rows_of_a_split_are_recordings_of_their_own_length():
    signal = torch.from_numpy(np.stack([recording(), recording()]))
    long, short = audio_examples(Kept(signal), [1, 0], SPEC, [("high",), ("low",)])
    assert (long.name, len(long.raw[0]), long.raw[1], long.truth) == ("long.wav", RATE, RATE, ("high",))
    assert (short.name, len(short.raw[0]), short.truth) == ("short.wav", RATE // 2, ("low",))
    assert [one.target for one in explained(long, method="occlusion", random_maps=0).targets][-1] == "high"
    with pytest.raises(RequestError, match="keeps features instead of samples"):
        audio_examples(Kept(torch.zeros(2, 98, MELS)), [0], SPEC, [()])


def test_what_is_no_recording_is_an_error():
    assert "recording 0: " in explained(b"no audio").error
