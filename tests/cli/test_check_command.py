"""sensorium check on small data of each modality: what is printed, its exit status, and the cleaned list."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

from sensorium.build import load_data
from sensorium.cli import main
from sensorium.cli.app import composed
from sensorium.inspection.images import ImageInputs
from sensorium.inspection.texts import TextInputs
from sensorium.tasks import registry


def check(capsys, *arguments: str) -> tuple[int, str, str]:
    status = main.main(["check", *arguments])
    printed = capsys.readouterr()
    return status, printed.out, printed.err


def loaded(*overrides: str):
    return load_data(composed("train", list(overrides))["dataset"], on_bad="fail")


@pytest.fixture
def photos(tmp_path):
    """Two classes in three splits; one image of test again in train as a JPEG, one black, one that is no image."""
    draw = np.random.default_rng(0)
    for split, count in (("train", 12), ("val", 4), ("test", 4)):
        for name, base in (("cat", 40), ("dog", 160)):
            folder = tmp_path / "photos" / split / name
            folder.mkdir(parents=True)
            for number in range(count):
                coarse = (base + draw.integers(0, 80, (5, 5, 3))).astype(np.uint8)
                Image.fromarray(coarse).resize((40, 40), Image.Resampling.BICUBIC).save(folder / f"{number}.png")
    root = tmp_path / "photos"
    Image.open(root / "test" / "cat" / "0.png").save(root / "train" / "cat" / "copy.jpg", quality=80)
    Image.new("RGB", (40, 40)).save(root / "train" / "dog" / "black.png")
    (root / "train" / "dog" / "broken.png").write_bytes(b"no image")
    return root


def test_a_folder_of_photos(photos, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, out, _ = check(capsys, "photos", "output=clean.csv")
    assert status == 1
    assert "Full command: sensorium check dataset=image_folder dataset.root=" in out
    found = {one["check"]: one for one in json.loads((tmp_path / "check" / "check.json").read_text())["findings"]}
    assert found["loading"]["count"] == 1
    assert "broken.png" in found["loading"]["examples"][0]
    assert [Path(one.split()[0]).name for one in found["constant"]["examples"]] == ["black.png"]
    assert found["duplicates"]["what"] == "near-duplicates between splits (train and test 1)"
    assert "copy.jpg (train, cat) = " in found["duplicates"]["examples"][0]
    rows = list(csv.DictReader((tmp_path / "clean.csv").open()))
    assert list(rows[0]) == ["path", "label", "split"]
    data = loaded("dataset=image_csv", "dataset.path=clean.csv")
    assert (len(data.train), len(data.val), len(data.test)) == (24, 8, 8)
    assert data.problems == ()
    assert (tmp_path / "photos" / "train" / "dog" / "broken.png").exists()


def test_clean_data_ends_with_0(photos, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for bad in ("cat/copy.jpg", "dog/black.png", "dog/broken.png"):
        (photos / "train" / bad).unlink()
    status, out, _ = check(capsys, "dataset=image_folder", "dataset.root=photos", "folder=null")
    assert (status, "error" in out) == (0, False)
    assert not (tmp_path / "check").exists()


def test_a_table_of_reviews(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    draw = np.random.default_rng(0)
    words = [f"word{number}" for number in range(200)]
    texts = [" ".join(draw.choice(words, 12)) for _ in range(60)]
    rows = [
        [text, "good" if number % 2 else "bad", "test" if number < 10 else "train"] for number, text in enumerate(texts)
    ]
    rows.append([f"{texts[3].upper()}!", "good", "train"])
    rows.append(["", "good", "train"])
    with (tmp_path / "reviews.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["text", "label", "split"], *rows])
    status, out, _ = check(capsys, "dataset=text_csv", "dataset.path=reviews.csv", "output=clean.csv", "skip=[labels]")
    assert status == 1
    assert "no text" in out
    assert "near-duplicates between splits (train and test 1)" in out
    data = loaded("dataset=text_csv", "dataset.path=clean.csv", "dataset.min_count=1")
    assert sum(len(split) for split in (data.train, data.val, data.test)) == 60
    assert data.problems == ()


def test_a_table_of_recordings(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    draw = np.random.default_rng(0)
    lines = []
    for number in range(24):
        rate = 16000 if number == 20 else 8000
        samples = np.repeat(draw.normal(size=16), rate // 32) * 0.1 * np.sin(np.arange(rate // 2) * (0.2 + number % 2))
        soundfile.write(tmp_path / f"{number}.wav", samples, rate)
        split = ("train", "val", "test")[max(0, number - 19) % 3]
        lines.append([f"{number}.wav", "ab"[number % 2], f"s{number}", split])
    louder, rate = soundfile.read(tmp_path / "0.wav")
    soundfile.write(tmp_path / "louder.wav", louder * 2, rate)
    lines.append(["louder.wav", "a", "s0", "test"])
    with (tmp_path / "list.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["audio", "label", "speaker", "split"], *lines])
    status, out, _ = check(capsys, "dataset=audio_csv", "dataset.path=list.csv", "output=clean.csv", "skip=[labels]")
    assert status == 1
    assert "near-duplicates between splits (train and test 1)" in out
    assert "sample rate in hertz: 8,000 of 24 recordings" in out
    assert "1 of 2 speakers or sources of test are also in train" in out
    data = loaded("dataset=audio_csv", "dataset.path=clean.csv")
    assert sum(len(split) for split in (data.train, data.val, data.test)) == 24
    assert sorted(data.test.speakers) == ["s0", "s21"]


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["dataset=digits", "output=clean.csv"], "these images are not files"),
        (["dataset=digits", "skip=[nothing]"], "skip=[nothing] is not possible"),
        (["dataset=digit"], "There is no dataset 'digit'"),
        (["dataset=image_folder", "dataset.root=nowhere"], "nowhere"),
        (["dataset.rot=x"], "There is no key 'dataset.rot'"),
        (["model=lenet"], "model"),
    ],
)
def test_requests_that_cannot_be(arguments, what, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, _, err = check(capsys, *arguments)
    assert status == 2, err
    assert what in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("dataset", ["digit_scenes", "digit_tags", "contrast_reviews", "number_words"])
def test_contents_of_every_kind_of_data(dataset):
    sizes = {"digit_scenes": 30, "digit_tags": 30, "contrast_reviews": 60, "number_words": 60}
    data = loaded(f"dataset={dataset}")
    few = {"train": sizes[dataset], "val": 5, "test": 5}
    data = replace(data, **{name: getattr(data, name).subset(np.arange(count)) for name, count in few.items()})
    found = registry.of(data.spec).contents(data)
    assert len(found) == sizes[dataset] + 10
    assert found.split(0) == "train"
    assert found.split(len(found) - 1) == "test"
    kinds = {"digit_scenes": ImageInputs, "digit_tags": ImageInputs}
    assert isinstance(found.inputs, kinds.get(dataset, TextInputs))
    assert (found.table is None) == (dataset in ("digit_scenes", "digit_tags"))
    if found.table is not None:
        columns, rows = found.table(np.array([0, len(found) - 1]))
        assert columns[-1] == "split"
        assert [row[-1] for row in rows] == ["train", "test"]
