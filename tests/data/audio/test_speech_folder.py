"""A folder of spoken commands: its parts, and everything that can be wrong with it."""

import pytest
from tones import SOUND, tone, write

from sensorium.data.audio.speech_folder import SpeechFolder
from sensorium.errors import RequestError

PARTS = ("train", "val", "test")


def load(root, on_bad="fail", **changes):
    return SpeechFolder(root=root and str(root), **SOUND | {"on_conflict": "drop"} | changes).load(on_bad=on_bad)


def told(root, on_bad="fail") -> str:
    with pytest.raises(RequestError) as error:
        load(root, on_bad)
    return str(error.value)


def fill(folder, labels=("no", "yes"), count=6, first=0):
    """Different tones for each label."""
    for n in range(count):
        for k, label in enumerate(labels):
            write(folder / label / f"{n}.wav", tone(200 + 700 * k + 10 * (first + n)))


@pytest.fixture
def root(tmp_path):
    return tmp_path / "data"


def names(data, root):
    return {part: sorted(name.removeprefix(f"{root}/") for name in getattr(data, part).names) for part in PARTS}


def test_labels_alone(root):
    fill(root)
    data = load(root)
    assert data.spec.class_names == ("no", "yes")
    assert [len(getattr(data, part)) for part in PARTS] == [8, 2, 2]
    for part in PARTS:
        split = getattr(data, part)
        for label, name in zip(split.labels, split.names, strict=True):
            assert f"/{data.spec.class_names[label]}/" in name


@pytest.mark.parametrize("val", ["val", "Valid", "validation", "dev"])
def test_parts(root, val):
    for n, part in enumerate(("train", val, "test")):
        fill(root / part, count=2, first=10 * n)
    fill(root / "notes", labels=("old",), count=1)
    data = load(root)
    files = [f"{label}/{n}.wav" for label in ("no", "yes") for n in range(2)]
    assert names(data, root) == {
        part: [f"{folder}/{file}" for file in files] for part, folder in zip(PARTS, ("train", val, "test"), strict=True)
    }
    assert f"{root}: not used as a split: notes" in data.notes


def test_every_format_in_folders_below(root):
    fill(root, count=3)
    write(root / "no" / "ann" / "a.flac", tone(333))
    write(root / "no" / "b.OGG", tone(444), subtype="VORBIS")
    (root / "no" / "readme.txt").write_text("")
    data = load(root)
    found = names(data, root)
    assert {"no/ann/a.flac", "no/b.OGG"} < {*found["train"], *found["val"], *found["test"]}
    assert sum(map(len, found.values())) == 8


def test_recordings_in_formats_that_are_not_read_are_named_as_such(root):
    fill(root)
    (root / "no" / "a b.m4a").write_bytes(b"")
    (root / "no" / "c.txt").write_bytes(b"")
    notes = load(root).notes
    assert f"{root / 'no'}: 2 files not read as recordings (.m4a, .txt), such as {root / 'no' / 'a b.m4a'}" in notes
    command = "ffmpeg -i 'a b.m4a' 'a b.wav'"
    assert f"{root / 'no'}: 1 recording in a format that is not read; convert first: {command}" in notes


def test_background_noise_is_left_aside(root):
    fill(root)
    write(root / "_background_noise_" / "hum.wav", tone(50, 5.0))
    data = load(root)
    assert data.spec.class_names == ("no", "yes")
    assert f"{root / '_background_noise_'}: 1 file not read, as they have no class" in data.notes


def test_what_is_wrong_is_named(root):
    fill(root)
    write(root / "loose.wav", tone(50))
    (root / "maybe").mkdir()
    message = told(root)
    assert f"{root / 'loose.wav'}: recording outside of any class folder" in message
    assert f"{root / 'maybe'}: class folder without recordings" in message
    data = load(root, "skip")
    assert data.spec.class_names == ("no", "yes")
    assert len(data.problems) == 2


def test_no_such_folder(root):
    assert "dataset.root is not set" in told(None)
    root.mkdir()
    assert "lists no usable recording" in told(root)
    fill(root / "test")
    assert "has a folder test but none called train" in told(root)
    fill(root / "train")
    fill(root / "val")
    fill(root / "dev")
    assert "has two val folders: dev and val. Keep one." in told(root)
