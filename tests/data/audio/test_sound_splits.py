"""From recordings to parts: what a batch is, who is held out, what is told, and what a spec says."""

import numpy as np
import pytest
import torch
from tones import FEATURES, RATE, SOUND, SPEECH, labeled, tone, transcribed, write

from sensorium.data.audio.listing import AudioListing
from sensorium.data.audio.splits import frames_needed, too_short
from sensorium.data.order import BatchPlan
from sensorium.errors import RequestError
from sensorium.specs import AudioClassificationSpec, SpeechRecognitionSpec, spec_from_dict
from sensorium.text.build_tokenizer import tokenizer_from_dict
from sensorium.text.ngram import NGram

PARTS = ("train", "val", "test")


def commands(count=8, **of_all) -> AudioListing:
    found = AudioListing("made")
    for n in range(count):
        for k, label in enumerate(("10", "9")):
            found.add(tone(200 + 500 * k + 10 * n, 0.1 + 0.02 * n), target=label, **of_all)
    return found


def sounds(found, **changes):
    return labeled(found, "fail", **SOUND | {"sample_rate": RATE} | changes)


def speech(found, **changes):
    return transcribed(found, "fail", **SPEECH | {"sample_rate": RATE} | changes)


def phrases(texts, **of_all) -> AudioListing:
    found = AudioListing("said")
    for n, text in enumerate(texts):
        found.add(tone(100 + 20 * n, 0.3), target=text, **of_all)
    return found


def test_labelled_parts():
    data = sounds(commands())
    assert [len(getattr(data, part)) for part in PARTS] == [10, 2, 4]
    assert data.spec == AudioClassificationSpec(
        class_names=("9", "10"), features={"sample_rate": RATE, **FEATURES}, num_features=8
    )
    assert spec_from_dict(data.spec.to_dict()) == data.spec
    for part in PARTS:
        split = getattr(data, part)
        assert np.bincount(split.labels).tolist() == [len(split) // 2] * 2
    assert data.notes[:2] == (
        "test: 4 recordings held out of train by class (split_seed 0)",
        "val: 2 recordings held out of train by class (split_seed 0)",
    )
    names = [name for part in PARTS for name in getattr(data, part).names]
    assert sorted(names) == sorted(f"made[{n}]" for n in range(16))
    assert sounds(commands(), split_seed=1).val.names != data.val.names
    assert sounds(commands()).val.names == data.val.names


def test_a_batch_of_sound():
    data = sounds(commands())
    split = data.train
    rows = np.argsort(split.durations)[[3, 0]]
    batch = split.read(rows)
    number = [int(split.names[row][5:-1]) for row in rows]
    expected = [tone(200 + 500 * (n % 2) + 10 * (n // 2), 0.1 + 0.02 * (n // 2)) for n in number]
    assert batch.lengths.tolist() == [len(samples) for samples in expected]
    assert batch.signal.shape == (2, max(map(len, expected)))
    assert np.array_equal(batch.signal[0, : len(expected[0])], expected[0])
    assert np.array_equal(batch.signal[1, : len(expected[1])], expected[1])
    assert not batch.signal[1, len(expected[1]) :].any()
    assert batch.labels.tolist() == [1 - n % 2 for n in number]
    assert batch.indices.tolist() == rows.tolist()
    assert batch.inputs == (batch.signal, batch.lengths)
    alone = split.read(rows[1:])
    assert torch.equal(alone.signal[0], batch.signal[1, : len(expected[1])])


def test_a_batch_counts_frames():
    split = sounds(commands()).train
    assert split.frames.tolist() == [1 + (round(s * RATE) - 200) // 80 for s in split.durations]
    order = split.order(BatchPlan(size=100, tokens=40, shuffle=True, seed=0))
    batches = list(order.batches())
    assert max(len(rows) * split.frames[rows].max() for rows in batches) <= 40
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(split)))


def test_subset_and_joined_keep_what_belongs_together():
    found = commands(speaker="ann")
    data = sounds(found)
    joined = data.train.joined([data.val, data.test])
    assert len(joined) == 16
    picked = joined.subset(np.array([12, 0, 9]))
    for row in range(3):
        number = int(picked.names[row][5:-1])
        assert data.spec.class_names[picked.labels[row]] == found.targets[number]
        batch = picked.read(np.array([row]))
        assert np.array_equal(batch.signal[0], found.samples.at(number))
        assert picked.durations[row] * RATE == batch.lengths[0]
        assert (picked.speakers[row], picked.paths[row]) == ("ann", "")


def test_parts_that_the_source_gives():
    found = commands(split="train")
    for part in ("val", "test"):
        for k, label in enumerate(("10", "9")):
            found.add(tone(1500 + 100 * k, 0.1 if part == "val" else 0.11), target=label, split=part)
    data = sounds(found, val_fraction=None, test_fraction=None)
    assert [len(getattr(data, part)) for part in PARTS] == [16, 2, 2]
    assert not any("held out" in note for note in data.notes)
    with pytest.raises(RequestError, match="has no recordings for val and test"):
        sounds(commands(), val_fraction=None, test_fraction=None)


def test_what_is_told_of_the_parts():
    found = commands(speaker="ann", split="train")
    for n, (speaker, part) in enumerate([("ann", "val"), ("bob", "val"), ("cat", "test"), ("", "test")]):
        found.add(tone(1500 + n, 1.0), target="9", split=part, speaker=speaker)
    notes = sounds(found).notes
    assert "train: 16 recordings, 2.72 s, 1 speaker" in notes
    assert "val: 2 recordings, 2 s, 2 speakers" in notes
    assert "test: 2 recordings, 2 s, 1 speaker" in notes
    assert "val: 1 of 2 speakers also in train; results are not speaker-independent" in notes
    assert not any(note.startswith("test: 0 of") for note in notes)


def test_classes_in_the_order_of_the_source():
    data = labeled(commands(), class_names=("10", "8", "9"), **SOUND | {"sample_rate": RATE})
    assert data.spec.class_names == ("10", "9")


def test_the_rate_of_the_first_training_file(tmp_path):
    found = AudioListing(tmp_path)
    (tmp_path / "bad.wav").write_text("no sound")
    found.add(tmp_path / "bad.wav", target="a")
    for n in range(8):
        rate = 8000 if n == 3 else 16000
        found.add(write(tmp_path / f"{n}.wav", tone(200 + n, rate=rate), rate=rate), target="ab"[n % 2])
    data = labeled(found, "skip", **SOUND)
    assert data.spec.features["sample_rate"] == 16000
    assert f"sample_rate: 16,000 Hz, that of {tmp_path / '0.wav'}" in data.notes
    assert "resampled to 16,000 Hz: 1 recording of 8,000 Hz" in data.notes
    assert set(np.concatenate([getattr(data, part).durations for part in PARTS])) == {0.2}
    found = AudioListing(tmp_path)
    found.add(tmp_path / "bad.wav", target="a")
    with pytest.raises(
        RequestError, match=r"None of the 1 training files looked at can be read.*\n.*bad\.wav: not readable"
    ):
        labeled(found, "skip", **SOUND)
    with pytest.raises(RequestError, match="sample_rate=null: samples in memory have no stated sample rate"):
        sounds(commands(), sample_rate=None)


TEXTS = ["One two", "two ONE one", "one", "two two", "one two one", "two"]


def test_speech():
    found = phrases(TEXTS, split="train")
    found.add(tone(900, 0.3), target="One!", split="val", speaker="bob")
    found.add(tone(950, 0.4), target="two", split="test")
    data = speech(found, language_model=2)
    tokenizer = tokenizer_from_dict(data.spec.tokenizer)
    assert set(tokenizer.tokens[4:]) == set("onetw ")
    assert isinstance(data.spec, SpeechRecognitionSpec)
    assert (data.spec.vocab_size, data.spec.num_features) == (10, 8)
    assert spec_from_dict(data.spec.to_dict()) == data.spec
    assert sorted(data.train.texts) == sorted(text.lower() for text in TEXTS)
    batch = data.train.read(np.arange(6))
    for row in range(6):
        ids = tokenizer.encode(data.train.texts[row])
        assert batch.targets[row].tolist() == ids + [0] * (batch.targets.shape[1] - len(ids))
        assert batch.target_lengths[row] == len(ids)
    assert batch.signal.shape == (6, 2400)
    assert data.val.read(np.array([0])).targets.tolist() == [tokenizer.encode("one!")]
    assert tokenizer.encode("one!")[-1] == 1
    assert "unknown tokens: 25.0% of val, 0.0% of test" in data.notes
    assert "vocabulary: 10 characters, 4 of them special" in data.notes
    model = NGram.from_arpa(data.spec.language_model)
    assert (model.order, sorted(model.words)) == (2, ["one", "two"])
    assert data.val.speakers == ["bob"]
    assert (data.test.durations.tolist(), data.test.frames.tolist()) == ([0.4], [38])


def test_speech_is_held_out_at_random():
    found = phrases([f"number {n % 7}" for n in range(20)], speaker="ann")
    data = speech(found)
    assert [len(getattr(data, part)) for part in PARTS] == [11, 4, 5]
    assert "test: 5 recordings held out of train (split_seed 0)" in data.notes
    assert "val: 1 of 1 speaker also in train; results are not speaker-independent" in data.notes
    assert data.spec.language_model == ""
    joined = data.train.joined([data.val, data.test])
    for row in range(20):
        number = int(joined.names[row][5:-1])
        picked = joined.subset(np.array([row]))
        assert picked.texts[0] == found.targets[number]
        tokenizer = tokenizer_from_dict(data.spec.tokenizer)
        assert tokenizer.decode(picked.read(np.array([0])).targets[0].tolist()) == picked.texts[0]


def test_a_tokenizer_from_an_earlier_training():
    trained = speech(phrases([*TEXTS, "upper"] * 2)).spec.tokenizer
    data = speech(phrases(["ONE", "TWO", "one two", "two one", "two two"]), tokenizer=trained, lowercase=False)
    assert data.spec.tokenizer == trained
    assert sorted([*data.train.texts, *data.val.texts, *data.test.texts])[0] == "one"
    assert any("from an earlier training" in note for note in data.notes)


@pytest.mark.parametrize("kind", ["word", "bpe"])
def test_other_units(kind):
    data = speech(phrases(TEXTS * 2), tokenizer=kind, vocab_size=270)
    tokenizer = tokenizer_from_dict(data.spec.tokenizer)
    ids = data.train.read(np.array([0])).targets[0].tolist()
    assert tokenizer.decode(ids) == data.train.texts[0]


def test_nothing_to_train_on():
    with pytest.raises(RequestError, match="said lists no usable recording"):
        speech(AudioListing("said"))
    found = phrases(TEXTS)
    found.given.add("val")
    with pytest.raises(RequestError, match="said has no usable recordings left in val"):
        speech(found)


def _parted() -> AudioListing:
    found = phrases(["aab", "abab", "bbb", "a"], split="train")
    for number, part in enumerate(("val", "test")):
        found.add(tone(500 + 50 * number, 0.3), target="ab", split=part)
    return found


def test_ctc_needs_a_frame_a_token_and_a_blank_between_two_that_are_alike() -> None:
    split = speech(_parted()).train
    order = {text: int(frames) for text, frames in zip(split.texts, frames_needed(split.targets), strict=True)}
    assert order == {"aab": 4, "abab": 4, "bbb": 5, "a": 1}


def test_what_a_model_subsamples_too_much_is_found() -> None:
    split = speech(_parted()).train
    found = too_short(split, lambda lengths: torch.full_like(lengths, 4))
    assert [split.texts[row] for row in found] == ["bbb"]
    assert found[2] == "the model sees 4 frames of it, and its transcript needs 5"
    assert not too_short(split, lambda lengths: lengths)
