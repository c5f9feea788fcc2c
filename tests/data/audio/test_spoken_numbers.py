"""Numbers and commands said by eSpeak NG: what is said, by whom, and that it is kept."""

import itertools
import re
import sys

import numpy as np
import pytest
from tones import RATE, SPEECH

from sensorium.audio.espeak import Utterance
from sensorium.data.audio.spoken_commands import SpokenCommands
from sensorium.data.audio.spoken_numbers import SpokenNumbers
from sensorium.data.audio.voices import spoken
from sensorium.errors import RequestError
from sensorium.synthetic.numbers import in_words

PARTS = ("train", "val", "test")
SIZES = {"train_size": 24, "val_size": 8, "test_size": 12}
COMMON = {"sample_rate": RATE, "max_seconds": 10, "data_seed": 0} | SIZES


@pytest.fixture
def espeak():
    pytest.importorskip("espeakng_loader")


def numbers(**changes):
    settings = {key: value for key, value in SPEECH.items() if "fraction" not in key and key != "split_seed"}
    return SpokenNumbers(**settings | {"kind": "mixed"} | COMMON | changes).load(on_bad="fail")


def commands(**changes):
    keys = ("features", "cache", "min_seconds")
    settings = {key: SPEECH[key] for key in keys} | {"commands": ["yes", "no"]}
    return SpokenCommands(**settings | COMMON | changes).load(on_bad="fail")


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, "zero"),
        (13, "thirteen"),
        (20, "twenty"),
        (99, "ninety nine"),
        (100, "one hundred"),
        (307, "three hundred and seven"),
        (4000, "four thousand"),
        (5016, "five thousand and sixteen"),
        (9210, "nine thousand two hundred and ten"),
    ],
)
def test_numbers_in_words(number, words):
    assert in_words(number) == words


def test_all_numbers_in_words_are_those_of_another_package():
    num2words = pytest.importorskip("num2words").num2words
    for number in [*range(1200), *range(1200, 10000, 37)]:
        assert in_words(number) == re.sub("[,-]+ ?", " ", num2words(number)).strip()


def test_spoken_numbers(espeak, cache_home):
    data = numbers()
    voices = {}
    for part in PARTS:
        split = getattr(data, part)
        assert len(split) == SIZES[f"{part}_size"]
        assert split.names[2] == f"spoken_numbers:{part}:2"
        voices[part] = {voice.partition("+")[2] for voice in split.speakers}
        assert len(voices[part]) > 1
        words = np.array([len(text.split()) for text in split.texts])
        assert ((split.durations > 0.25 + 0.1 * words) & (split.durations < 1.3 + 0.8 * words)).all()
    assert not any(one & other for one, other in itertools.combinations(voices.values(), 2))
    assert len(list((cache_home / "spoken").glob("*/rows"))) == 3


def test_the_kinds(espeak):
    digits, cardinals = (set(" ".join(numbers(kind=kind).train.texts).split()) for kind in ("digits", "cardinals"))
    names = {in_words(number) for number in range(10)}
    assert digits <= names
    assert {"hundred", "and"} <= cardinals


def test_they_are_the_same_every_time_and_need_the_package_only_once(espeak, monkeypatch):
    first = numbers()
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    again = numbers()
    for part in PARTS:
        rows = np.arange(SIZES[f"{part}_size"])
        assert (getattr(first, part).read(rows).signal == getattr(again, part).read(rows).signal).all()
    with pytest.raises(RequestError, match="espeakng-loader"):
        numbers(data_seed=1)


def test_resampled_in_groups_is_resampled_alone(espeak):
    asked = [Utterance(text) for text in ("one", "seven thousand and seventy", "two")]
    together = list(spoken(asked, sample_rate=16000))
    (alone,) = spoken(asked[:1], sample_rate=16000)
    np.testing.assert_allclose(together[0], alone, atol=2 / 32768)
    at_8000 = list(spoken(asked, sample_rate=8000))
    assert [len(samples) for samples in at_8000] == [-(-len(samples) // 2) for samples in together]


def test_spoken_commands(espeak):
    data = commands()
    assert data.spec.class_names == ("yes", "no", "unknown", "silence")
    for part in PARTS:
        split = getattr(data, part)
        assert np.bincount(split.labels).tolist() == [len(split) // 4] * 4
        assert (split.durations == 1).all()
        signal = split.read(np.arange(len(split))).signal.numpy()
        loud = np.sqrt((signal**2).mean(axis=1)) > 0.012
        assert (loud == (split.labels != 3)).all()  # silence is noise of 40 dB below full scale at most
        assert {speaker == "" for speaker in np.array(split.speakers)[split.labels == 3]} == {True}
    assert not set(data.train.speakers) & set(data.test.speakers) - {""}


@pytest.mark.parametrize(
    ("words", "what"),
    [
        ([True, "no"], "in quotes"),
        ([], "at least one"),
        (["yes", "yes"], "each word once"),
        (["unknown"], "always included"),
    ],
)
def test_commands_that_cannot_be(words, what):
    with pytest.raises(RequestError, match=what):
        commands(commands=words)


def test_wrong_requests():
    for changes, what in (
        ({"kind": "digit"}, "Did you mean digits?"),
        ({"test_size": 0}, "give a whole number, 1 or more"),
        ({"sample_rate": None}, "Give hertz"),
    ):
        with pytest.raises(RequestError, match=re.escape(what)):
            numbers(**changes)
