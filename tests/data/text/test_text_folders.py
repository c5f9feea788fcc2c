"""Folders of texts: one file a text (aclImdb's layout), one line a text (movie reviews), and published sets by name."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from sensorium.data.text.hub import Hub
from sensorium.data.text.movie_reviews import MovieReviews, fold_of
from sensorium.data.text.text_folder import TextFolder
from sensorium.errors import RequestError

TOKENS = {"tokenizer": "word", "vocab_size": 1000, "min_count": 1, "lowercase": True, "max_length": 50}
HELD = {"val_fraction": 0.2, "split_seed": 0}


def told(dataset, on_bad="fail") -> str:
    with pytest.raises(RequestError) as error:
        dataset.load(on_bad=on_bad)
    return str(error.value)


# -- a file for each text


def folder_of(root, **changes) -> TextFolder:
    return TextFolder(root=str(root), encoding=None, test_fraction=0.2, on_conflict="drop", **TOKENS | HELD | changes)


def write(root, folder, count, word):
    (root / folder).mkdir(parents=True)
    for number in range(count):
        (root / folder / f"{number}_7.txt").write_text(f"{word} film {folder} {number}\nsecond line", encoding="utf-8")


def test_parts_and_classes_are_folders(tmp_path):
    for part, count in (("train", 5), ("test", 3)):
        for label in ("neg", "pos"):
            write(tmp_path, f"{part}/{label}", count, label)
    write(tmp_path, "train/unsup", 4, "who knows")
    data = folder_of(tmp_path).load(on_bad="fail")
    assert data.spec.class_names == ("neg", "pos")
    assert [len(part) for part in (data.train, data.val, data.test)] == [8, 2, 6]
    assert list(data.test.names)[:2] == [f"{tmp_path}/test/neg/0_7.txt", f"{tmp_path}/test/neg/1_7.txt"]
    assert data.test.texts[3] == "pos film test/pos 0\nsecond line"
    assert data.test.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert f"{tmp_path}/train/unsup: 4 files not read, as they have no class" in data.notes


def test_classes_alone_are_divided_and_what_is_wrong_is_named(tmp_path):
    for label in ("neg", "pos"):
        write(tmp_path, label, 10, label)
    (tmp_path / "neg" / "bad.txt").write_bytes(b"caf\xe9")
    (tmp_path / "neg" / "empty.txt").write_text(" \n")
    (tmp_path / "none").mkdir()
    data = folder_of(tmp_path).load(on_bad="skip")
    assert [len(part) for part in (data.train, data.val, data.test)] == [12, 4, 4]
    assert [str(problem).removeprefix(f"{tmp_path}/") for problem in data.problems] == [
        "neg/bad.txt:1: not UTF-8 (byte 0xe9); if it is in another encoding, dataset.encoding=NAME says so"
        " (latin-1 ...)",
        "neg/empty.txt: no text",
        "none: class folder without texts",
    ]
    latin = TextFolder(
        on_conflict="drop",
        root=str(tmp_path),
        encoding="latin-1",
        test_fraction=0.2,
        **TOKENS | HELD,
    )
    assert len(latin.load(on_bad="skip").problems) == 2


def test_folders_that_hold_no_texts(tmp_path):
    assert "dataset.root is not set" in told(
        TextFolder(root=None, encoding=None, test_fraction=0.2, on_conflict="drop", **TOKENS | HELD)
    )
    assert f"Expected: {tmp_path}/CLASS/NAME.txt" in told(folder_of(tmp_path))
    write(tmp_path, "test/pos", 1, "x")
    assert "has a folder test but none called train" in told(folder_of(tmp_path))
    write(tmp_path, "dev/pos", 1, "x")
    write(tmp_path, "val/pos", 1, "x")
    assert "has two val folders: dev and val. Keep one." in told(folder_of(tmp_path))


# -- movie reviews


def reviews_of(root, fold=0, folds=5, **changes) -> MovieReviews:
    return MovieReviews(root=str(root), fold=fold, folds=folds, **TOKENS | HELD | changes)


@pytest.fixture
def mr(tmp_path):
    for name, word in (("rt-polarity.pos", "déjà vu"), ("rt-polarity.neg", "naïve")):
        (tmp_path / name).write_bytes("".join(f"{word} {number} . \n" for number in range(25)).encode("latin-1"))
    return tmp_path


def test_folds_of_movie_reviews(mr):
    folds = [reviews_of(mr, fold).load(on_bad="fail") for fold in range(5)]
    tests = [list(data.test.texts) for data in folds]
    assert [len(texts) for texts in tests] == [10] * 5
    assert len({text for texts in tests for text in texts}) == 50
    for data in folds:
        assert np.bincount(data.test.labels).tolist() == [5, 5]
        assert [len(data.train), len(data.val)] == [32, 8]
        parts = [set(part.texts) for part in (data.train, data.val, data.test)]
        assert len(set.union(*parts)) == 50
    assert folds[0].spec.class_names == ("negative", "positive")
    assert "naïve" in folds[0].train.texts[0]
    assert folds[1].notes[0] == "test: fold 1 of 5 (split_seed 0)"
    assert tests != [list(reviews_of(mr, fold, split_seed=1).load(on_bad="fail").test.texts) for fold in range(5)]


def test_the_same_line_is_in_one_fold():
    folds = fold_of(["a", "b", "a", "c", "d"], folds=2, seed=0)
    assert sorted(folds.values()) == [0, 0, 1, 1]


def test_utf_8_is_recognised(mr):
    (mr / "rt-polarity.neg").write_text("".join(f"naïve {number}\n" for number in range(25)), encoding="utf-8")
    assert "naïve" in reviews_of(mr).load(on_bad="fail").train.texts[0]


def test_movie_reviews_that_are_not_there(mr):
    with pytest.raises(RequestError, match=r"fold=10 with dataset\.folds=10: give a number from 0 to 9"):
        reviews_of(mr, fold=10, folds=10)
    (mr / "rt-polarity.pos").unlink()
    assert "rt-polarity.pos: there is no such file. Did you mean" in told(reviews_of(mr))


# -- published sets


def hub_of(name="imdb", **changes) -> Hub:
    return Hub(name=name, root=None, **TOKENS | HELD | changes)


@pytest.fixture
def published(monkeypatch):
    """A stand-in for the package `datasets`; returns the list of what it was asked for."""
    asked = []

    def load_dataset(address, *, split, cache_dir):
        asked.append((address, split, cache_dir))
        column = "sentence" if "sst2" in address else "text"
        count = 10 if split == "train" else 4
        return [{column: f"{split} number {number}", "label": number % 2} for number in range(count)]

    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace(load_dataset=load_dataset))
    return asked


@pytest.mark.parametrize(
    ("name", "sizes", "test"),
    [("imdb", [8, 2, 4], "test"), ("sst2", [8, 2, 4], "validation"), ("rotten_tomatoes", [10, 4, 4], "test")],
)
def test_published_sets(published, cache_home, name, sizes, test):
    data = hub_of(name).load(on_bad="fail")
    assert [len(part) for part in (data.train, data.val, data.test)] == sizes
    assert data.spec.class_names == ("negative", "positive")
    assert (data.test.texts[1], data.test.names[1]) == (f"{test} number 1", f"{name}/{test}:2")
    assert data.test.labels.tolist() == [0, 1, 0, 1]
    assert {folder for _, _, folder in published} == {str(cache_home / "hub")}


def test_published_sets_that_cannot_be_had(monkeypatch):
    with pytest.raises(RequestError, match=r"There is no data set of this kind 'imdbs'\. Did you mean imdb\?"):
        hub_of("imdbs")

    def load_dataset(address, **_):
        raise ConnectionError("Couldn't reach the hub\nmore")

    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace(load_dataset=load_dataset))
    assert told(hub_of()).splitlines()[0].startswith("stanfordnlp/imdb cannot be fetched into ")
    monkeypatch.setitem(sys.modules, "datasets", None)
    assert told(hub_of()).endswith("is needed: pip install 'sensorium[hub]'")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "latin-1"])
def test_movie_reviews_in_any_encoding(mr, encoding):
    for path in mr.iterdir():
        path.write_bytes(path.read_text(encoding="latin-1").encode(encoding))
    texts = list(reviews_of(mr).load(on_bad="fail").train.texts)
    assert {text.rpartition(" ")[0].rpartition(" ")[0] for text in texts} == {"déjà vu", "naïve"}


def test_movie_reviews_that_are_cut_off(mr):
    path = mr / "rt-polarity.pos"
    count = len(path.read_bytes().splitlines())
    path.write_bytes(b"\n".join(path.read_bytes().splitlines()[:9]))
    note = f"lines: {count} negative, 9 positive; as many of both were published, so a file may be cut off"
    assert note in reviews_of(mr).load(on_bad="fail").notes
