"""Connected digits: what is joined to what, from which recordings, and that it is the same every time."""

import numpy as np
import pytest
from tones import RATE, SPEECH, write

from sensorium.data.audio.connected_digits import ConnectedDigits, joined
from sensorium.errors import RequestError
from sensorium.synthetic.numbers import DIGITS

SPEAKERS = ("ann", "bob")
LENGTH = 400  # samples of a recording
SIZES = {"train_size": 30, "val_size": 8, "test_size": 12}


def level_of(digit, speaker, index):
    """Each stand-in is of one level, which says whose it is: a number of 16-bit steps."""
    return 2000 + 200 * (20 * SPEAKERS.index(speaker) + digit) + 10 * index


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fsdd")
    for speaker in SPEAKERS:
        for digit in range(10):
            for index in range(9):
                samples = np.full(LENGTH, level_of(digit, speaker, index) / 32768, np.float32)
                samples[::2] *= -1  # so that it is no constant
                write(folder / f"{digit}_{speaker}_{index}.wav", samples)
    return folder


def load(root, **changes):
    own = {"min_digits": 1, "max_digits": 7, "mixed_speakers": False, "data_seed": 0}
    settings = SPEECH | SIZES | own | {"sample_rate": RATE, "max_seconds": 5}
    settings.pop("test_fraction", None)
    return ConnectedDigits(root=str(root), **settings | changes).load(on_bad="fail")


def taken(samples):
    """(digit, speaker, index) of each recording in a sequence, and the lengths of the silences around them."""
    steps = np.rint(np.abs(samples) * 32768).astype(int)
    found, silences, i = [], [0], 0
    while i < len(steps):
        if steps[i] < 1000:
            silences[-1] += 1
            i += 1
            continue
        assert (steps[i : i + LENGTH] == steps[i]).all()
        number, rest = divmod(steps[i] - 2000, 200)
        found.append((number % 20, SPEAKERS[number // 20], rest // 10))
        silences.append(0)
        i += LENGTH
    return found, silences


def sequences(split):
    batch = split.read(np.arange(len(split)))
    return [taken(row[:length].numpy()) for row, length in zip(batch.signal, batch.lengths, strict=True)]


@pytest.mark.parametrize("mixed", [False, True])
def test_the_sequences(root, mixed):
    data = load(root, mixed_speakers=mixed)
    used, lengths = {}, set()
    for part in ("train", "val", "test"):
        split = getattr(data, part)
        assert len(split) == SIZES[f"{part}_size"]
        assert split.names[3] == f"connected_digits:{part}:3"
        for text, speaker, (found, silences) in zip(split.texts, split.speakers, sequences(split), strict=True):
            assert text == " ".join(DIGITS[digit] for digit, _, _ in found)
            speakers = {name for _, name, _ in found}
            assert speaker == (speakers.pop() if len(speakers) == 1 else "mixed")
            assert mixed or not speakers
            lengths.add(len(found))
            assert all(0.05 * RATE - 1 <= silence <= 0.25 * RATE for silence in (silences[0], silences[-1]))
            assert all(silence <= 0.3 * RATE for silence in silences)
            used.setdefault(part, set()).update(found)
    assert lengths == set(range(1, 8))
    assert {index for _, _, index in used["test"]} == {0, 1, 2, 3, 4}
    assert {index for _, _, index in used["train"] | used["val"]} == {5, 6, 7, 8}
    assert not used["train"] & used["val"]
    assert any(speaker == "mixed" for speaker in data.train.speakers) == mixed
    assert {len(text.split()) for text in data.train.texts} == set(range(1, 8))


def test_a_sequence_belongs_to_its_number_and_the_seed(root):
    first, longer = load(root), load(root, train_size=40, val_size=1)
    again = first.train.read(np.arange(30)), longer.train.read(np.arange(30))
    assert np.array_equal(again[0].signal, again[1].signal[:, : again[0].signal.shape[1]])
    assert list(first.test.texts) == list(longer.test.texts)
    assert list(load(root, data_seed=1).test.texts) != list(first.test.texts)


def test_silences_have_faint_noise():
    pieces = [np.full(8000, 0.5, np.float32)] * 3
    samples = joined(pieces, sample_rate=8000, random=np.random.default_rng(0))
    quiet = samples[samples != 0.5]
    assert 0.1 * RATE < len(quiet) == len(samples) - 24000
    assert abs(quiet.std() / 0.005 - 1) < 0.05  # 40 dB below 0.5
    assert np.array_equal(samples * 32768, np.rint(samples * 32768))


def test_wrong_requests(root, tmp_path):
    for changes, words in (
        ({"val_size": 0}, "give a whole number, 1 or more"),
        ({"min_digits": 5, "max_digits": 4}, "give 1 or more, the first not larger"),
        ({"sample_rate": None}, "Give hertz"),
        ({"val_fraction": 0}, "val_fraction=0 leaves a split empty"),
    ):
        with pytest.raises(RequestError, match=words):
            load(root, **changes)
    for digit in range(10):
        write(tmp_path / f"{digit}_ann_7.wav", np.linspace(-0.5, 0.5, 800, dtype=np.float32))
    with pytest.raises(RequestError, match="Too few distinct examples"):
        load(tmp_path)
