"""Sentence pairs from files, published or made: read line by line, checked, divided, encoded on both sides."""

import gzip
import sys

import numpy as np
import pytest

from sensorium.data.text.multi30k import Multi30k
from sensorium.data.text.number_words import NumberWords
from sensorium.data.text.parallel_text import ParallelText
from sensorium.data.text.parallel_tsv import ParallelTsv
from sensorium.errors import RequestError
from sensorium.synthetic.number_words import NumberWriter
from sensorium.text.build_tokenizer import tokenizer_from_dict

TOKENS = {
    "tokenizer": "word",
    "vocab_size": 1000,
    "min_count": 1,
    "lowercase": False,
    "max_length": 20,
    "shared_vocabulary": False,
}
HELD = {"test_fraction": 0.2, "val_fraction": 0.2, "split_seed": 0}
WORDS = {"en": "the dog number", "de": "der Hund Nummer"}


def told(dataset, on_bad="fail") -> str:
    with pytest.raises(RequestError) as error:
        dataset.load(on_bad=on_bad)
    return str(error.value)


def write(folder, name, count, *, start=0, packed=False):
    """COUNT pairs in NAME.en and NAME.de."""
    for language, words in WORDS.items():
        content = "".join(f"{words} {number} .\n" for number in range(start, start + count)).encode()
        path = folder / f"{name}.{language}"
        if packed:
            path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(content))
        else:
            path.write_bytes(content)
    return folder / name


def text_of(train, val=None, test=None, *, encoding=None, **changes) -> ParallelText:
    paths = {key: path and str(path) for key, path in (("train", train), ("val", val), ("test", test))}
    languages = {"source": "en", "target": "de"}
    return ParallelText(**paths, encoding=encoding, **languages | TOKENS | HELD | changes)


def aligned(split) -> bool:
    return all(
        source.removeprefix(WORDS["en"]) == target.removeprefix(WORDS["de"])
        for source, target in zip(split.source_texts, split.references, strict=True)
    )


# -- two files


def test_two_files_line_by_line(tmp_path):
    train = write(tmp_path, "train", 20)
    test = write(tmp_path, "test", 3, start=100, packed=True)
    data = text_of(train, test=test).load(on_bad="fail")
    assert [len(part) for part in (data.train, data.val, data.test)] == [16, 4, 3]
    assert all(aligned(part) for part in (data.train, data.val, data.test))
    assert data.test.references[1] == "der Hund Nummer 101 ."
    assert data.test.names[1] == f"{test}.en.gz:2"
    assert "val: 4 pairs held out of train (split_seed 0)" in data.notes
    assert data.notes[0] == "translates en to de (dataset.source, dataset.target)"
    assert "unknown source tokens: 20.0% of val, 20.0% of test" in data.notes  # the number, of five tokens
    target = tokenizer_from_dict(data.spec.target_tokenizer)
    batch = data.train.read(np.array([2]))
    assert batch.target_out[0].tolist() == [*target.encode(data.train.references[2]), 3]
    assert (data.spec.source_vocab_size, data.spec.target_vocab_size) == (4 + 4 + 16, 4 + 4 + 16)


def test_one_vocabulary_for_both(tmp_path):
    data = text_of(write(tmp_path, "train", 20), shared_vocabulary=True).load(on_bad="fail")
    assert data.spec.source_tokenizer == data.spec.target_tokenizer
    assert data.spec.source_vocab_size == 4 + 7 + len(data.train)  # the, dog, number, der, Hund, Nummer, "."
    again = text_of(tmp_path / "train", tokenizer=data.spec.dataset_settings["tokenizer"]).load(on_bad="fail")
    assert again.spec == data.spec


def test_kinds_for_each_side(tmp_path):
    train = write(tmp_path, "train", 20)
    data = text_of(train, tokenizer={"source": "word", "target": "char"}).load(on_bad="fail")
    assert (data.spec.source_tokenizer["kind"], data.spec.target_tokenizer["kind"]) == ("word", "char")
    with pytest.raises(RequestError, match="contradict each other"):
        text_of(train, tokenizer={"source": "word", "target": "char"}, shared_vocabulary=True)
    with pytest.raises(RequestError, match=r"has the keys source, targets"):
        text_of(train, tokenizer={"source": "word", "targets": "char"})


def test_different_line_counts(tmp_path):
    train = write(tmp_path, "train", 20)
    with (tmp_path / "train.de").open("a") as file:
        file.write("noch einer\nund noch einer\n")
    assert told(text_of(train)).startswith(f"{train}.en has 20 lines and {train}.de has 22: they cannot be")


def test_what_is_wrong_with_pairs_is_named(tmp_path):
    train, test = write(tmp_path, "train", 20), write(tmp_path, "test", 4, start=19)
    for language, lines in (
        ("en", [b"no", b"", b"caf\xe9", b"the dog number 3 ."]),
        ("de", [b"", b"nein", b"ja", b"da"]),
    ):
        with (tmp_path / f"train.{language}").open("ab") as file:
            file.write(b"\r\n".join(lines) + b"\r\n")
    data = text_of(train, test=test).load(on_bad="skip")
    assert [str(problem).removeprefix(f"{train}.en:") for problem in data.problems] == [
        "21: no translation",
        "22: no sentence to translate",
        "23: not UTF-8 (byte 0xe9); if it is in another encoding, dataset.encoding=NAME says so (latin-1 ...)",
        f"20: same text as {test}.en:1, which is in test",
    ]
    assert [len(data.train) + len(data.val), len(data.test)] == [20, 4]
    # The same sentence with another translation is no copy, and stays on one side.
    sides = [[text for text in part.source_texts if text == "the dog number 3 ."] for part in (data.train, data.val)]
    assert sorted(map(len, sides)) == [0, 2]
    assert "café" in "".join(text_of(train, encoding="latin-1").load(on_bad="skip").train.source_texts)


def test_a_sentence_of_train_in_test_with_another_translation_is_told(tmp_path):
    train, test = write(tmp_path, "train", 20), write(tmp_path, "test", 2, start=19)
    (tmp_path / "test.de").write_text("andere Worte\nnoch andere\n")
    data = text_of(train, val=write(tmp_path, "val", 2, start=50), test=test).load(on_bad="fail")
    assert "test: 1 sentence also in train, with another translation; kept" in data.notes


def test_files_that_are_not_there(tmp_path):
    assert told(text_of(None)).startswith("dataset.train is not set.")
    train = write(tmp_path, "train", 3)
    missing = told(text_of(tmp_path / "trian"))
    assert missing.startswith(f"dataset.train={tmp_path}/trian: there is neither {tmp_path}/trian.en nor trian.en.gz.")
    assert f"Did you mean {train}?" in missing
    assert f"Did you mean {train}?" in told(text_of(f"{train}.en"))
    packed = write(tmp_path, "broken", 500, packed=True)
    path = tmp_path / "broken.de.gz"
    path.write_bytes(path.read_bytes()[:200])
    assert f"{path} is not a complete .gz file" in told(text_of(packed))


def test_long_sentences_are_cut_and_counted(tmp_path):
    data = text_of(write(tmp_path, "train", 20), max_length=3).load(on_bad="fail")
    assert "truncated to 3 tokens (dataset.max_length): 40 texts" in data.notes
    batch = data.train.read(np.arange(2))
    assert (batch.source.shape, batch.target_in.shape) == ((2, 4), (2, 4))


# -- one file with tabs


def tsv_of(path, **changes) -> ParallelTsv:
    columns = {"source_column": 0, "target_column": 1, "header": "auto"}
    return ParallelTsv(
        path=str(path), val_path=None, test_path=None, encoding=None, **columns | TOKENS | HELD | changes
    )


def test_a_file_with_tabs(tmp_path):
    path = tmp_path / "pairs.tsv"
    lines = [f'1\tShe said "{number}.\tSie sagte "{number}.\tCC-BY' for number in range(20)]
    path.write_text("\n".join([*lines, "", "2\tonly"]), encoding="utf-8")
    data = tsv_of(path, source_column=1, target_column=2).load(on_bad="skip")
    assert sum(map(len, (data.train, data.val, data.test))) == 20
    assert data.train.source_texts[0].replace("She said", "Sie sagte") == data.train.references[0]
    assert [str(problem) for problem in data.problems] == [
        f"{path}:22: 2 columns, where columns 1 and 2 (from 0) are to be read"
    ]


# -- Multi30k


def test_multi30k(tmp_path):
    write(tmp_path, "train", 6, packed=True)
    write(tmp_path, "val", 2, start=10, packed=True)
    for number, name in enumerate(("test_2016_flickr", "test_2017_flickr"), start=2):
        write(tmp_path, name, number, start=10 * number, packed=True)

    def multi30k(**changes) -> Multi30k:
        settings = {"root": str(tmp_path), "source": "de", "target": "en", "test": "test_2017_flickr"}
        return Multi30k(**settings | TOKENS | changes)

    data = multi30k().load(on_bad="fail")
    assert [len(part) for part in (data.train, data.val, data.test)] == [6, 2, 3]
    assert data.test.source_texts[0] == "der Hund Nummer 30 ."
    assert "Did you mean test_2016_flickr?" in told(multi30k(test="test_2016_flikr"))
    assert "there is neither" in told(multi30k(target="fr"))
    with pytest.raises(RequestError, match="are both en"):
        multi30k(source="en", target="en")


# -- numbers in words


def words_of(**changes) -> NumberWords:
    counts = {"target": "de", "train": 60, "val": 20, "test": 20, "data_seed": 0}
    return NumberWords(**counts | TOKENS | {"tokenizer": "char", "max_length": 100} | changes)


def test_numbers_in_words():
    pytest.importorskip("num2words", reason="num2words is not installed")
    for target in ("de", "fr"):
        data = words_of(target=target).load(on_bad="fail")
        parts = (data.train, data.val, data.test)
        assert [len(part) for part in parts] == [60, 20, 20]
        sources = [text for part in parts for text in part.source_texts]
        assert len(set(sources)) == 100
        assert "synthetic" in data.notes[0]
        assert data.train.source.cut == 0


@pytest.mark.parametrize("language", ["en", "de", "fr"])
def test_numbers_are_put_together_as_num2words_does(language):
    num2words = pytest.importorskip("num2words", reason="num2words is not installed").num2words
    written = NumberWriter(language)
    numbers = [*range(990, 1130), *range(80_000, 80_120), 1_999, 200_080, 201_001, 999_999]
    assert [written.of(number) for number in numbers] == [num2words(number, lang=language) for number in numbers]


def test_numbers_that_cannot_be_had(monkeypatch):
    with pytest.raises(RequestError, match="There is no target language of number words 'es'"):
        words_of(target="es")
    with pytest.raises(RequestError, match="1,000,000 together at most"):
        words_of(train=1_000_000)
    monkeypatch.setitem(sys.modules, "num2words", None)
    assert told(words_of()).endswith("Type: pip install 'sensorium[text]'")


def test_wrong_bytes_are_of_the_file_that_has_them(tmp_path):
    train = write(tmp_path, "train", 8)
    path = tmp_path / "train.de"
    path.write_bytes(path.read_bytes().replace(b"Nummer 3", b"Nummer \x81"))
    assert f"{path}:4: not UTF-8 (byte 0x81)" in told(text_of(train))
    assert f"{path}:4: not CP1252 (byte 0x81)" in told(text_of(train, encoding="cp1252"))


def test_the_same_text_on_both_sides_is_counted(tmp_path):
    train = write(tmp_path, "train", 8)
    with pytest.raises(RequestError, match=r"dataset\.source and dataset\.target are both de"):
        text_of(train, source="de")
    lines = [(tmp_path / f"train.{language}").read_text().splitlines() for language in ("en", "de")]
    (tmp_path / "train.de").write_text("\n".join(lines[1][:6] + lines[0][6:]) + "\n")
    note = f"source and target are the same text: 2 of 8 pairs, such as {train}.en:7"
    assert note in text_of(train).load(on_bad="fail").notes


def test_a_column_of_numbers_is_named(tmp_path):
    path = tmp_path / "pairs.tsv"
    path.write_text("".join(f"{n}\tthe dog {n}\tder Hund {n}\n" for n in range(8)))
    note = "column 0 (from 0) is numbers alone, such as 0; dataset.source_column names another one"
    assert note in tsv_of(path).load(on_bad="fail").notes
    notes = tsv_of(path, source_column=1, target_column=2).load(on_bad="fail").notes
    assert not [note for note in notes if "numbers alone" in note]
