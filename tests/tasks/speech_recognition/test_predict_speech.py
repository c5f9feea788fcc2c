"""Long recordings are heard in pieces: no word is lost, doubled or misplaced, whatever the length."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from torch import Tensor, nn

from sensorium.errors import RequestError
from sensorium.specs import SpeechRecognitionSpec
from sensorium.tasks.base import LoadedModel, PredictOptions
from sensorium.tasks.speech_recognition.predict import SpeechPredictor, Transcript
from sensorium.tasks.speech_recognition.stream import LiveTranscriber
from sensorium.text.build_tokenizer import train_tokenizer

RATE = 2000  # hertz
HERTZ = {"l": 150, "h": 700}
TOKENIZER = train_tokenizer("char", ["lh "], vocab_size=10, min_count=1, lowercase=False)
TOKEN = {letter: TOKENIZER.encode(letter)[0] for letter in "lh "}


class Ear(nn.Module):
    """One frame in two: l, h or a space where a band of the spectrum is loud, and where nothing is for a while."""

    def forward(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        heard = features[:, ::2]
        low, high = heard[:, :, 0] > -2, heard[:, :, -1] > -2
        tokens = torch.where(low, TOKEN["l"], torch.where(high, TOKEN["h"], 0))
        return nn.functional.one_hot(tokens, TOKENIZER.vocab_size).float().mul(10).log_softmax(2), (lengths + 1) // 2

    def output_lengths(self, lengths: Tensor) -> Tensor:
        return (lengths + 1) // 2


def predictor(*, batch_size: int = 64) -> SpeechPredictor:
    features = {"sample_rate": RATE, "num_mels": 4, "window": 0.02, "hop": 0.01, "normalise": "none"}
    spec = SpeechRecognitionSpec(
        features=features, num_features=4, tokenizer=TOKENIZER.to_dict(), vocab_size=TOKENIZER.vocab_size
    )
    opened = LoadedModel(
        spec=spec, model=Ear(), device=torch.device("cpu"), precision="32-true", memory_format="contiguous", decoding={}
    )
    return SpeechPredictor(opened, PredictOptions(batch_size=batch_size))


def spoken(letters: str) -> np.ndarray:
    """0.2 s for each letter, 0.1 s of silence behind it; a space is a second of silence."""
    time = np.arange(RATE // 5) / RATE
    parts = []
    for letter in letters:
        tone = np.zeros(RATE) if letter == " " else 0.5 * np.sin(2 * np.pi * HERTZ[letter] * time)
        parts += [tone, np.zeros(RATE // 10)]
    return np.concatenate(parts)


def heard(path: Path, letters: str) -> Transcript:
    soundfile.write(path, spoken(letters), RATE)
    (answer,) = predictor().predict([path])
    return answer


@pytest.mark.parametrize("letters", ["lhhl" * 40, "lh" * 130, "hl" * 20 + " " + "l" * 30 + " " + "hhl" * 60])
def test_every_word_is_heard_once(tmp_path: Path, letters: str) -> None:
    """From 48 to 90 seconds, without a pause at which to cut, and with some."""
    answer = heard(tmp_path / "long.wav", letters)
    assert "".join(answer.text.split()) == letters.replace(" ", "")
    assert answer.seconds == pytest.approx(len(spoken(letters)) / RATE)


def test_times_are_those_of_the_recording(tmp_path: Path) -> None:
    """A tone in the 65th second, behind silence."""
    answer = heard(tmp_path / "late.wav", "h" + " " * 59 + "l")
    assert [word.word for word in answer.words] == ["h", "l"]
    assert answer.words[0].start == pytest.approx(0.0, abs=0.03)
    assert answer.words[1].start == pytest.approx(0.3 + 59 * 1.1, abs=0.03)
    assert answer.words[1].end == pytest.approx(0.5 + 59 * 1.1, abs=0.05)
    assert all(0.9 < word.confidence <= 1 for word in answer.words)


def test_short_ones_keep_their_order_among_long_ones_and_broken_ones(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "long.wav", spoken("l" * 110), RATE)
    soundfile.write(tmp_path / "short.wav", spoken("hl"), RATE)
    (tmp_path / "broken.wav").write_bytes(b"?")
    paths = [tmp_path / name for name in ("short.wav", "broken.wav", "long.wav", "short.wav")]
    answers = list(predictor(batch_size=2).predict(paths))
    assert ["".join(answer.text.split()) for answer in answers] == ["hl", "", "l" * 110, "hl"]
    assert [answer.error is None for answer in answers] == [True, False, True, True]


def test_a_model_that_hears_the_whole_cannot_stream() -> None:
    found = predictor()
    opened = LoadedModel(
        spec=SpeechRecognitionSpec(
            features={"sample_rate": RATE}, num_features=40, tokenizer=TOKENIZER.to_dict(), vocab_size=7
        ),
        model=found.transcriber.model,
        device=torch.device("cpu"),
        precision="32-true",
        memory_format="contiguous",
        decoding={},
    )
    with pytest.raises(RequestError, match="needs the whole recording"):
        LiveTranscriber(opened)


def test_what_training_refuses_prediction_refuses_in_the_same_words(tmp_path: Path) -> None:
    """Short and long (in windows): a NaN, silence after mixing, nothing at all; clipping is only noted."""
    tone, long = spoken("hl").astype(np.float32), spoken("h" * 120).astype(np.float32)
    for name, sound, place in (("short", tone, 200), ("long", long, 70_000)):
        damaged = sound.copy()
        damaged[place] = np.nan
        soundfile.write(tmp_path / f"{name}_nan.wav", damaged, RATE, subtype="FLOAT")
        soundfile.write(tmp_path / f"{name}_opposite.wav", np.stack([sound, -sound], axis=1), RATE, subtype="FLOAT")
        soundfile.write(tmp_path / f"{name}_clipped.wav", (9 * sound).clip(-1, 1), RATE)
    soundfile.write(tmp_path / "nothing.wav", tone[:0], RATE)
    found = predictor()
    answers = {Path(a.input).name: a.error and a.error.split(": ", 1)[1] for a in found.predict(tmp_path.glob("*"))}
    assert answers == {
        "short_nan.wav": "1 sample is not a number or infinite, the first at 0.100 s",
        "long_nan.wav": "1 sample is not a number or infinite, the first at 35.000 s",
        "short_opposite.wav": "silent: all samples are zero",
        "long_opposite.wav": "silent: all samples are zero",
        "nothing.wav": "empty: it has no samples",
        "short_clipped.wav": None,
        "long_clipped.wav": None,
    }
    (note,) = found.notes()
    assert note.startswith("clipped: 2 recordings, such as ")
