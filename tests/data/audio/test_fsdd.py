"""Free Spoken Digit Dataset: who is tested on whom, and what the folder must be."""

import numpy as np
import pytest
from tones import SOUND, tone, write

from sensorium.data.audio.fsdd import Fsdd
from sensorium.errors import RequestError

SPEAKERS = ("ann", "bob_b", "cem")
COUNT = 9  # recordings of a digit by a speaker


def write_digits(folder, speakers=SPEAKERS, digits=range(10), count=COUNT):
    """Files as published, each of a pitch of its own: 0.1 s of 8 kHz."""
    for k, speaker in enumerate(speakers):
        for digit in digits:
            for index in range(count):
                pitch = 200 + 100 * digit + 30 * k + index
                write(folder / f"{digit}_{speaker}_{index}.wav", tone(pitch, 0.1))
    return folder


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return write_digits(tmp_path_factory.mktemp("fsdd") / "recordings").parent


def load(root, on_bad="fail", **changes):
    settings = SOUND | {"split": "official", "speaker": None}
    settings.pop("test_fraction", None)
    return Fsdd(root=root and str(root), **settings | changes).load(on_bad=on_bad)


def parts(data):
    """Part -> (digit, speaker, index) of each of its recordings."""
    return {
        part: [tuple(name.rpartition("/")[2].removesuffix(".wav").split("_")) for name in getattr(data, part).names]
        for part in ("train", "val", "test")
    }


def test_the_official_split(root):
    data = load(root)
    assert data.spec.class_names == tuple("0123456789")
    found = parts(data)
    assert [len(found[part]) for part in ("train", "val", "test")] == [90, 30, 150]  # of 4 and 5 each
    assert {name[-1] for name in found["test"]} == set("01234")
    assert {name[-1] for name in found["train"] + found["val"]} == set("5678")
    # One of every digit by every speaker is for validation.
    assert len({name[:-1] for name in found["val"]}) == 30
    for part, names in found.items():
        split = getattr(data, part)
        assert [data.spec.class_names[label] for label in split.labels] == [name[0] for name in names]
        assert list(split.speakers) == ["_".join(name[1:-1]) for name in names]
    assert "val: 30 recordings held out of train by digit and speaker (split_seed 0)" in data.notes
    assert parts(load(root)) == found
    assert parts(load(root, split_seed=1))["val"] != found["val"]


def test_leaving_a_speaker_out(root):
    data = load(root / "recordings", split="speaker", speaker="bob_b")
    assert set(data.test.speakers) == {"bob_b"}
    assert set(data.train.speakers) == set(data.val.speakers) == {"ann", "cem"}
    assert [len(part) for part in (data.train, data.val, data.test)] == [140, 40, 90]  # of 9: 7 and 2
    samples = data.test.read(np.arange(1)).signal[0].numpy()
    assert np.array_equal(samples, tone(230, 0.1))


def told(root, **changes):
    with pytest.raises(RequestError) as error:
        load(root, **changes)
    return str(error.value)


def test_wrong_requests(root, cache_home):
    assert told(root, split="speaker", speaker="anne") == (
        "There is no speaker 'anne'. Did you mean ann?\nAllowed: ann, bob_b, cem."
    )
    assert told(root, split="speaker").endswith("There are: ann, bob_b, cem.")
    assert "contradict each other" in told(root, speaker="ann")
    assert "Did you mean official?" in told(root, split="oficial")
    assert told(None).startswith(f"fsdd: there is no folder {cache_home / 'fsdd'}.\nPut the folder recordings of")
    assert told(cache_home.parent).endswith(
        "has no recordings named DIGIT_SPEAKER_INDEX.wav, such as 7_jackson_32.wav."
    )


def test_other_files_are_problems(tmp_path):
    folder = write_digits(tmp_path, digits=(0, 1))
    stray = write(tmp_path / "seven.wav", tone(900))
    assert f"{stray}: not named DIGIT_SPEAKER_INDEX.wav" in told(folder)
    data = load(folder, on_bad="skip")
    assert [problem.place for problem in data.problems] == [str(stray)]
    assert len(data.train) + len(data.val) + len(data.test) == 2 * 3 * COUNT
