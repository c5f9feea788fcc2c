"""Sentences and their translations in shards: as from files, with the same problems in the same words."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from sensorium.data.base import SPLITS
from sensorium.data.text.parallel_tsv import ParallelTsv
from sensorium.text.build_tokenizer import tokenizer_from_dict
from shards import Member, loaded, refused, write_tar

KEYS = ("dataset.tokenizer=word", "dataset.min_count=1", "dataset.max_length=20")


def pairs(numbers: Iterable[int]) -> list[Member]:
    return [
        member
        for number in numbers
        for member in (
            (f"{number:03d}.source.txt", f"we need {number} lamps\r\n".encode()),
            (f"{number:03d}.target.txt", f"wir brauchen {number} größere Lampen".encode()),
        )
    ]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for split, numbers in (("train", range(20)), ("val", range(20, 24)), ("test", range(24, 30))):
        write_tar(tmp_path / f"{split}-0.tar", pairs(numbers))
    return tmp_path


def test_pairs(root: Path) -> None:
    data = loaded("parallel_shards", root, *KEYS)
    assert [len(getattr(data, split)) for split in SPLITS] == [20, 4, 6]
    assert data.train.source_texts[3] == "we need 3 lamps"
    assert data.test.references[0] == "wir brauchen 24 größere Lampen"
    assert data.val.names[1] == f"{root}/val-0.tar/021.source.txt"
    tokens = data.train.read(np.array([3])).target_out[0, :-1].tolist()
    assert tokenizer_from_dict(data.spec.target_tokenizer).decode(tokens) == "wir brauchen 3 größere Lampen"


def test_held_out_pairs_are_those_of_a_file(tmp_path: Path) -> None:
    write_tar(tmp_path / "all.tar", pairs(range(40)))
    lines = (f"we need {number} lamps\twir brauchen {number} größere Lampen\n" for number in range(40))
    (tmp_path / "pairs.tsv").write_text("".join(lines))
    data = loaded("parallel_shards", tmp_path, *KEYS)
    file = ParallelTsv(
        path=str(tmp_path / "pairs.tsv"), val_path=None, test_path=None, source_column=0, target_column=1,
        header=False, encoding=None, tokenizer="word", vocab_size=8000, min_count=1, lowercase=False, max_length=20,
        shared_vocabulary=False, test_fraction=0.1, val_fraction=0.1, split_seed=0,
    ).load(on_bad="fail")  # fmt: skip
    assert data.spec == file.spec
    for split in SPLITS:
        mine, other = getattr(data, split), getattr(file, split)
        assert list(mine.references) == list(other.references)


def test_what_is_wrong_is_said_and_skipped(root: Path) -> None:
    write_tar(
        root / "train-1.tar",
        [
            ("a.source.txt", b"a lamp"), ("b.target.txt", b"eine Lampe"),
            ("c.source.txt", b" \n"), ("c.target.txt", b"eine Lampe"),
            ("d.source.txt", b"a lamp"), ("d.target.txt", b""),
            ("e.source.txt", b"a lamp"), ("e.target.txt", "größe".encode("latin-1")),
            ("f.source.txt", b"a lamp"), ("f.source.txt", b"a lamp"), ("f.target.txt", b"eine Lampe"),
            ("g.source.txt", b"a new lamp"), ("g.target.txt", b"eine neue Lampe"),
        ],
    )  # fmt: skip
    told = refused("parallel_shards", root, *KEYS)
    assert "The data has 6 problems" in told
    for line in (
        "train-1.tar/a: no translation (.target.txt); it has source.txt",
        "train-1.tar/b: no source (.source.txt); it has target.txt",
        "train-1.tar/c.source.txt: no sentence to translate",
        "train-1.tar/d.source.txt: no translation",
        "train-1.tar/e.target.txt: not UTF-8 (byte 0xf6); make it UTF-8 first: iconv -f latin1 -t utf-8 FILE",
        "train-1.tar/f: two members with the extension 'source.txt'",
    ):
        assert line in told
    data = loaded("parallel_shards", root, *KEYS, on_bad="skip")
    assert (len(data.train), len(data.problems), data.train.references[20]) == (21, 6, "eine neue Lampe")
