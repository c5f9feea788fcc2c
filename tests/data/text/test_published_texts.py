"""Published sets of texts from the files that people have: what is read, what is not, and what is in two splits."""

import gzip
import sys

import pytest

from sensorium.data.text.hub import Hub
from sensorium.data.text.movie_reviews import MovieReviews
from sensorium.data.text.multi30k import Multi30k
from sensorium.data.text.text_folder import TextFolder
from sensorium.errors import RequestError

TOKENS = {"tokenizer": "word", "vocab_size": 1000, "min_count": 1, "lowercase": True, "max_length": 50}
HELD = {"val_fraction": 0.2, "split_seed": 0}


def load(name, root, on_bad="fail"):
    return Hub(name=name, root=str(root), **TOKENS | HELD).load(on_bad=on_bad)


def told(call, *arguments, **changes) -> str:
    with pytest.raises(RequestError) as error:
        call(*arguments, **changes)
    assert len(str(error.value).splitlines()) <= 2 or "problem" in str(error.value)
    return str(error.value)


def sizes(data) -> list[int]:
    return [len(part) for part in (data.train, data.val, data.test)]


@pytest.fixture
def imdb(tmp_path):
    """aclImdb: six reviews of each class and split, three without a class, and the lists beside them."""
    root = tmp_path / "aclImdb"
    for split in ("train", "test"):
        for label in ("neg", "pos"):
            (root / split / label).mkdir(parents=True)
            for number in range(6):
                (root / split / label / f"{number}_7.txt").write_text(f"{label} {split} {number}<br />café", "utf-8")
        (root / split / "labeledBow.feat").write_text("9 0:1")
    (root / "train" / "unsup").mkdir()
    for number in range(3):
        (root / "train" / "unsup" / f"{number}_0.txt").write_text(f"who knows {number}")
    for name in ("README", "imdb.vocab"):
        (root / name).write_text("x")
    return root


def test_imdb_is_read_without_the_package(imdb, monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    data = load("imdb", imdb)
    assert sizes(data) == [10, 2, 12]
    assert data.spec.class_names == ("negative", "positive")
    assert data.test.labels.tolist() == [0] * 6 + [1] * 6
    assert (data.test.names[6], data.test.texts[6]) == (f"{imdb}/test/pos/0_7.txt", "pos test 0<br />café")
    assert list(data.notes[:5]) == [
        f"read from the files in {imdb}",
        f"{imdb}/test: 1 file not read as texts (.feat), such as {imdb}/test/labeledBow.feat",
        f"{imdb}/train/unsup: 3 files not read, as they have no class",
        f"{imdb}/train: 1 file not read as texts (.feat), such as {imdb}/train/labeledBow.feat",
        f"{imdb}: 2 files not read as texts (.vocab, no suffix), such as {imdb}/README",
    ]
    assert sizes(load("imdb", imdb.parent)) == [10, 2, 12]


def test_what_is_wrong_in_imdb_is_named(imdb):
    (imdb / "train" / "pos" / "0_7.txt").write_bytes(b"caf\xe9")
    (imdb / "train" / "neutral").mkdir()
    (imdb / "train" / "neutral" / "0_5.txt").write_text("so so")
    assert [str(problem).removeprefix(f"{imdb}/") for problem in load("imdb", imdb, "skip").problems] == [
        "train/neutral/0_5.txt: in the folder neutral, which is no class of aclImdb: neg, pos",
        "train/pos/0_7.txt:1: not UTF-8 (byte 0xe9); make it UTF-8 first: iconv -f latin1 -t utf-8 FILE",
    ]
    (imdb / "test").rename(imdb / "testing")
    assert told(load, "imdb", imdb).startswith(f"{imdb} has no folder test/neg, test/pos, which aclImdb has.\n")


def test_known_copies_leave_train_and_the_test_stays_whole(imdb):
    """By hand: pos/1 is in test; neg/2 is in test as positive; neg/3 and pos/3 of train contradict each other; so do
    neg/4 and pos/4 of test. Four of train go.
    """
    for name, other in (
        ("train/pos/1_7.txt", "test/pos/1_7.txt"),
        ("train/neg/2_7.txt", "test/pos/2_7.txt"),
        ("train/neg/3_7.txt", "train/pos/3_7.txt"),
        ("test/neg/4_7.txt", "test/pos/4_7.txt"),
    ):
        (imdb / name).write_text((imdb / other).read_text("utf-8"), "utf-8")
    data = load("imdb", imdb)
    assert sizes(data) == [6, 2, 12]
    kept = {name.removeprefix(f"{imdb}/train/") for part in (data.train, data.val) for name in part.names}
    assert kept == {f"neg/{n}_7.txt" for n in (0, 1, 4, 5)} | {f"pos/{n}_7.txt" for n in (0, 2, 4, 5)}
    assert data.problems == ()
    assert "test has contradictory labels: 2 with the same text; kept" in data.notes
    (note,) = (note for note in data.notes if "published splits" in note)
    assert note == (
        "texts in two published splits, or with two labels: dropped 4 from train, such as"
        f" {imdb}/train/pos/1_7.txt (same text as {imdb}/test/pos/1_7.txt, which is in test); test is unchanged"
    )
    own = TextFolder(root=str(imdb), encoding=None, test_fraction=0.2, on_conflict="drop", **TOKENS | HELD)
    assert "The data has 6 problems" in told(own.load, on_bad="fail")  # the same files as somebody's own


def glue(root, train="sentence\tlabel\n", dev="sentence\tlabel\n", count=10):
    root.mkdir()
    (root / "train.tsv").write_text(train + "".join(f'a "fine film {n} \t{n % 2}\n' for n in range(count)))
    (root / "dev.tsv").write_text(dev + "".join(f"dev {n}\t{n % 2}\n" for n in range(4)))
    (root / "test.tsv").write_text("index\tsentence\n0\tnobody knows\n")
    return root


def test_sst2_of_glue(tmp_path):
    root = glue(tmp_path / "SST-2")
    (root / "original").mkdir()
    data = load("sst2", tmp_path)
    assert sizes(data) == [8, 2, 4]
    assert data.test.labels.tolist() == [0, 1, 0, 1]
    assert (data.test.names[0], data.test.texts[0]) == (f"{root}/dev.tsv:2", "dev 0")
    assert f"{root}: 1 file not read as texts (.tsv), such as {root}/test.tsv" in data.notes
    assert f"{root}: folders that are not read: original" in data.notes
    assert "test: the published validation split; the labels of the test split are not published" in data.notes


def test_tables_that_are_not_as_published(tmp_path):
    root = glue(tmp_path / "a", train="text\tlabel\n")
    assert told(load, "sst2", root).startswith(f"{root}/train.tsv has no column 'sentence'; the published file has")
    root = glue(tmp_path / "b")
    with (root / "dev.tsv").open("a") as file:
        file.write("no label\t-1\nother\tpositive\n")
    assert [str(problem) for problem in load("sst2", root, "skip").problems] == [
        f"{root}/dev.tsv:6: no label",
        f"{root}/dev.tsv:7: label 'positive' is neither 0 (negative) nor 1 (positive)",
    ]
    (root / "dev.tsv").unlink()
    assert told(load, "sst2", root) == f"{root} has no file of the published validation split, for test."


def test_the_files_of_the_hub(tmp_path):
    for name, count in (("train-00000-of-00002", 6), ("train-00001-of-00002", 4), ("test", 2), ("validation", 2)):
        lines = "".join(f'{{"text": "{name} {n}", "label": {n % 2}}}\n' for n in range(count))
        (tmp_path / f"{name}.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
    assert sizes(load("rotten_tomatoes", tmp_path)) == [10, 2, 2]


def polarity(root, count=20):
    root.mkdir()
    for label in ("pos", "neg"):
        (root / f"rt-polarity.{label}").write_bytes(
            "".join(f"{label} naïve {n} . \n" for n in range(count)).encode("latin-1")
        )
    return root


def test_rotten_tomatoes_divides_the_lines_as_its_publisher_does(tmp_path):
    root = polarity(tmp_path / "rt-polaritydata")
    (root / "README.txt").write_text("x")
    data = load("rotten_tomatoes", tmp_path)
    assert sizes(data) == [32, 4, 4]  # of 20 lines each: 16, 2, 2
    assert list(data.test.texts) == [f"{label} naïve {n} ." for label in ("neg", "pos") for n in (18, 19)]
    assert f"{root}: 1 file not read as texts (.txt), such as {root}/README.txt" in data.notes
    folds = MovieReviews(root=str(tmp_path), fold=0, folds=5, **TOKENS | HELD).load(on_bad="fail")
    assert sum(sizes(folds)) == 40
    (root / "rt-polarity.neg").unlink()
    assert "has no rt-polarity.neg" in told(load, "rotten_tomatoes", root)


def captions(root, *names, languages=("en", "de"), shared=""):
    root.mkdir(parents=True, exist_ok=True)
    for name in names:
        for language in languages:
            (root / f"{name}.{language}").write_text("".join(f"{name} {language} {n}\n" for n in range(6)) + shared)
    return root


def multi30k(root, **changes):
    settings = {"root": str(root), "source": "en", "target": "de", "test": "test_2016_flickr"}
    return Multi30k(**settings | TOKENS | {"shared_vocabulary": False} | changes).load(on_bad="fail")


def test_multi30k_by_the_names_of_copies(tmp_path):
    raw = captions(tmp_path / "repo" / "data" / "task1" / "raw", "train", "val", "test_2016_flickr", "test_2017_flickr")
    data = multi30k(tmp_path / "repo")
    assert data.test.source_texts[0] == "test_2016_flickr en 0"
    assert data.notes[0] == f"{raw}: 2 files not read: test_2017_flickr.de, test_2017_flickr.en"
    tok = captions(tmp_path / "tok", *(f"{name}.lc.norm.tok" for name in ("train", "val", "test_2016_flickr")))
    assert multi30k(tok).notes[0] == f"{tok}: train.lc.norm.tok.* is used as train"
    copy = captions(tmp_path / "copy", "train", "valid", "test", languages=("en", "de", "fr"))
    data = multi30k(copy)
    assert data.test.source_texts[0] == "test en 0"
    assert list(data.notes[:3]) == [
        f"{copy}: valid.* is used as val",
        f"{copy}: test.* is used as test_2016_flickr",
        f"{copy}: 3 files not read: test.fr, train.fr, valid.fr",
    ]
    assert "no test set here 'test_2017_flickr'" in told(multi30k, copy, test="test_2017_flickr")


def test_a_pair_of_multi30k_in_all_splits_stays_in_the_test(tmp_path):
    root = captions(tmp_path / "a", "train", "val", "test_2016_flickr", shared="the same\n")
    data = multi30k(root)
    assert sizes(data) == [6, 6, 7]
    assert any(
        note.startswith("pairs in two published splits: dropped 1 from train and 1 from val") for note in data.notes
    )
