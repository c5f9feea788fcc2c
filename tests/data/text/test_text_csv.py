"""Tables of texts: what is read from each kind of file, what is a problem, and what is told."""

import gzip
import json
import sys

import numpy as np
import pytest

from sensorium.data.io.tables import open_table
from sensorium.data.text.text_csv import TextCsv
from sensorium.errors import RequestError
from sensorium.text.build_tokenizer import tokenizer_from_dict

SETTINGS = {
    "val_path": None,
    "test_path": None,
    "text_column": "text",
    "text_separator": " | ",
    "label_column": "label",
    "split_column": None,
    "encoding": None,
    "tokenizer": "word",
    "vocab_size": 1000,
    "min_count": 1,
    "lowercase": True,
    "max_length": 20,
    "test_fraction": 0.2,
    "val_fraction": 0.2,
    "split_seed": 0,
    "on_conflict": "drop",
}


def load(path, on_bad="fail", **changes):
    return TextCsv(path=None if path is None else str(path), **SETTINGS | changes).load(on_bad=on_bad)


def told(path, on_bad="fail", **changes) -> str:
    with pytest.raises(RequestError) as error:
        load(path, on_bad, **changes)
    return str(error.value)


def lines_of(count: int = 10) -> list[str]:
    return [
        f"the {word} film number {i},{label}"
        for i in range(count)
        for word, label in (("fine", "good"), ("sad", "bad"))
    ]


def write(tmp_path, lines, name="list.csv", encoding="utf-8", ending="\n"):
    path = tmp_path / name
    path.write_bytes("".join(f"{line}{ending}" for line in lines).encode(encoding))
    return path


def test_blank_lines_are_counted(tmp_path):
    lines = [*lines_of(), "", *lines_of(11)[20:], "", ""]
    assert f"{tmp_path / 'list.csv'}: 3 blank lines skipped" in load(write(tmp_path, ["text,label", *lines])).notes
    rows = [json.dumps(dict(zip(("text", "label"), line.split(","), strict=True))) if line else "  " for line in lines]
    path = write(tmp_path, rows, "list.jsonl")
    assert f"{path}: 3 blank lines skipped" in load(path).notes
    assert not any("blank" in note for note in load(write(tmp_path, ["text,label", *lines_of()])).notes)


def all_texts(data) -> dict[str, str]:
    """Every text and its label."""
    names = data.spec.class_names
    parts = (data.train, data.val, data.test)
    return {text: names[label] for part in parts for text, label in zip(part.texts, part.labels, strict=True)}


def test_a_plain_table(tmp_path):
    path = write(tmp_path, ["text,label", *lines_of()])
    data = load(path)
    assert data.spec.class_names == ("bad", "good")
    assert [len(part) for part in (data.train, data.val, data.test)] == [12, 4, 4]
    assert all_texts(data) == {line.split(",")[0]: line.split(",")[1] for line in lines_of()}
    first = data.train.names[0]
    line = int(first.removeprefix(f"{path}:"))
    assert data.train.texts[0] == lines_of()[line - 2].split(",")[0]
    assert data.notes[:3] == (
        "test: 4 texts held out of train by class (split_seed 0)",
        "val: 4 texts held out of train by class (split_seed 0)",
        f"vocabulary: {data.spec.vocab_size} words, 4 of them special",
    )
    tokenizer = tokenizer_from_dict(data.spec.tokenizer)
    batch = data.train.read(np.array([0]))
    assert batch.tokens[0].tolist() == tokenizer.encode(data.train.texts[0])
    assert (data.spec.vocab_size, data.spec.pad_id, data.spec.max_length) == (tokenizer.vocab_size, 0, 20)


def test_the_tokenizer_knows_the_training_part_alone(tmp_path):
    rows = [f"{line},train" for line in lines_of(2)]
    rows += ["unheard words,good,val", "unseen,bad,val", "the film,good,test", "never,bad,test"]
    data = load(write(tmp_path, ["text,label,split", *rows]))
    words = set(data.spec.tokenizer["words"])
    assert words == {"the", "fine", "sad", "film", "number", "0", "1"}
    assert "unknown tokens: 100.0% of val, 33.3% of test" in data.notes
    again = load(write(tmp_path, ["text,label", *lines_of(9)], "other.csv"), tokenizer=data.spec.tokenizer)
    assert again.spec.tokenizer == data.spec.tokenizer
    assert any("from an earlier training" in note for note in again.notes)


AWKWARD = [
    ("emoji 😀👩‍👩‍👧 and 坏电影", "good"),
    ('she said "no", twice', "bad"),
    ("two\nlines\r\nand a tab\there", "good"),
    ("a NUL \0 inside", "bad"),
    ("\ufb00 ligature, é e\u0301, \u200f\u05e2\u05d1", "good"),
    ("\ufffd \u2028 \x85 \x0b", "bad"),
    ("x " * 50_000, "good"),  # 100,000 characters
]


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "utf-16", "semicolon", "crlf"])
def test_any_text_in_any_table(tmp_path, kind):
    rows = AWKWARD + [(f"plain {label} {i}", label) for i in range(6) for label in ("good", "bad")]
    separator = {"tsv": "\t", "semicolon": ";"}.get(kind, ",")
    ending = "\r\n" if kind == "crlf" else "\n"
    if kind == "jsonl":
        text = "".join(json.dumps({" text ": t, "label": n, "more": [1]}) + "\n" for t, n in rows)
    else:
        quoted = [separator.join('"' + cell.replace('"', '""') + '"' for cell in row) for row in rows]
        text = ending.join([f" text {separator} label", *quoted]) + ending
    path = tmp_path / f"list.{kind if kind in ('tsv', 'jsonl') else 'csv'}"
    path.write_bytes(text.encode("utf-16" if kind == "utf-16" else "utf-8-sig"))
    data = load(path)
    assert all_texts(data) == dict(rows)
    assert "truncated to 20 tokens (dataset.max_length): 1 text" in data.notes
    for part in (data.train, data.val, data.test):
        lengths = part.read(np.arange(len(part))).lengths
        assert lengths.min() >= 1
        assert lengths.max() <= 20


def test_a_tab_separated_file_without_quoting(tmp_path):
    lines = ["label\ttext", 'a\t"Great" is not the word', 'b\t"never closed', 'a\t"all ""quoted"" by a program"']
    table = open_table(write(tmp_path, lines, "list.tsv"), encoding=None)
    assert [row[1] for row in table.rows(["text"])] == [
        ['"Great" is not the word'],
        ['"never closed'],
        ['all "quoted" by a program'],
    ]


def test_typed_cells_of_json_lines(tmp_path):
    values = [1, 2.0, 2.5, True, None, float("nan"), "x"]
    lines = [json.dumps({"text": "t", "label": value}) for value in values]
    table = open_table(write(tmp_path, lines, "list.jsonl"), encoding=None)
    assert [row[1][0] for row in table.rows(["label"])] == ["1", "2", "2.5", "true", "", "", "x"]


def test_parquet(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    arrow = pytest.importorskip("pyarrow")
    rows = AWKWARD + [(f"plain {label} {i}", label) for i in range(6) for label in ("good", "bad")]
    path = tmp_path / "list.parquet"
    columns = {"text": [text for text, _ in rows], "label": [float(label == "good") for _, label in rows]}
    parquet.write_table(arrow.table(columns), path, row_group_size=4)
    data = load(path)
    assert data.spec.class_names == ("0", "1")
    assert all_texts(data) == {text: str(int(label == "good")) for text, label in rows}
    assert "has no column 'review'" in told(path, text_column="review")
    (tmp_path / "bad.parquet").write_text("text,label")
    assert "not a Parquet file" in told(tmp_path / "bad.parquet")


def test_parquet_without_the_package(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    path = write(tmp_path, [], "list.parquet")
    assert told(path).endswith("Type: pip install 'sensorium[parquet]'")


def test_parts_from_a_column_and_from_other_files(tmp_path):
    rows = [f"{line},{part}" for part in ("train", "dev", "Test") for line in lines_of(1 + len(part))]
    unlike = [row.replace("film", f"film{i}") for i, row in enumerate(rows)]
    data = load(write(tmp_path, ["text,label,fold", *unlike]), split_column="fold")
    assert [len(part) for part in (data.train, data.val, data.test)] == [12, 8, 10]
    main = write(tmp_path, ["text,label", *lines_of()], "main.csv")
    test = write(tmp_path, ["label,text", "good,another", "bad,one more"], "test.csv")
    data = load(main, test_path=str(test))
    assert [len(part) for part in (data.train, data.val, data.test)] == [16, 4, 2]
    assert list(data.test.names) == [f"{test}:2", f"{test}:3"]


def test_what_is_wrong_is_named_with_its_line(tmp_path):
    rows = [f"{line},train" for line in lines_of()] + [f"{line} x,test" for line in lines_of(2)]
    rows[-4:] = ["test a,good,test", "test b,bad,test", "test c,good,test", "test d,bad,test"]
    rows += [
        ",good,train",
        "  ,good,train",
        '"two\nlines",,train',
        "too,many,cells,here",
        "some text,good,holdout",
        "what a caf\udce9,good,train",
        "test a,good,train",
        "test b,good,train",
        "nice,excellent,test",
        '"ends here" not,good,train',
        "",
        '"never closed,good,train',
    ]
    path = tmp_path / "list.csv"
    path.write_bytes("\n".join(["text,label,split", *rows]).encode("utf-8", errors="surrogateescape"))
    data = load(path, "skip")
    assert [str(problem).removeprefix(f"{path}:") for problem in data.problems] == [
        "26: no text",
        "27: no text",
        "28: no label",
        "30: 4 cells where the first line has 3",
        "31: split 'holdout' is none of train, training, trn, val, valid, validation, dev, development, eval, test,"
        " testing, tst",
        "32: not UTF-8 (byte 0xe9); if it is in another encoding, dataset.encoding=NAME says so (latin-1 ...)",
        "36: not CSV (',' expected after '\"')",
        "38: a quotation mark opens here and never closes",
        f"33: same text as {path}:22, which is in test",
        f"34: labeled 'good'; {path}:23 has the same text and label 'bad'",
        "35: class 'excellent' is in test but not in train",
    ]
    assert len(data.test) == 4
    assert told(path).startswith("The data has 11 problems; on_bad=skip skips and lists the bad ones:")


def test_contradicting_labels_leave_both_out_and_copies_are_counted(tmp_path):
    rows = [*lines_of(), "twice,good", "twice,good", "both,good", " both ,bad"]
    path = write(tmp_path, ["text,label", *rows])
    data = load(path, "skip")
    assert [problem.what for problem in data.problems] == [
        f"labeled 'good'; {path}:25 has the same text and label 'bad'",
        f"labeled 'bad'; {path}:24 has the same text and label 'good'",
    ]
    assert (
        f"texts that duplicate another of the same class and split: 1 ({path}:23 = {path}:22); kept in the same split"
        in data.notes
    )
    where = [part for part in (data.train, data.val, data.test) if "twice" in list(part.texts)]
    assert len(where) == 1


def test_an_encoding_that_is_given(tmp_path):
    path = write(
        tmp_path, ["text,label", *(line.replace("fine", "köstlich") for line in lines_of())], encoding="latin-1"
    )
    assert "byte 0xf6" in told(path)
    assert "the köstlich film number 3" in all_texts(load(path, encoding="latin-1"))
    for name in ("latin-x", "rot13"):
        assert f"dataset.encoding={name} is no encoding" in told(path, encoding=name)
    assert "cannot be decoded: UTF-16 stream does not start with BOM" in told(
        write(tmp_path, ["text,label", "abc,d"], "odd.csv"), encoding="utf-16"
    )


def test_unknown_columns_list_the_ones_found(tmp_path):
    path = write(tmp_path, [" Review ,labels", "a,b"])
    assert told(path).splitlines() == [
        f"{path} has no column 'text'. dataset.text_column=NAME names another one.",
        "Its columns are: Review, labels.",
    ]
    assert "Did you mean dataset.label_column=labels?" in told(path, text_column="Review")
    assert "dataset.split_column=NAME" in told(path, text_column="Review", label_column="labels", split_column="zzz")
    assert "Its columns are: none at all." in told(write(tmp_path, [], "empty.csv"))


def test_files_that_are_no_table(tmp_path):
    assert told(None) == "dataset.path is not set. Give a file: dataset.path=FILE."
    assert "is a folder; a file is needed" in told(tmp_path)
    path = write(tmp_path, ["text,label"])
    assert told(tmp_path / "lits.csv").endswith(f"there is no such file. Did you mean {path}?")
    assert told(path) == f"{path} lists no usable text."
    assert "only the class 'b' with usable training texts" in told(write(tmp_path, ["text,label", "a,b"]))
    array = write(tmp_path, ['[{"text": "a", "label": "b"}]'], "list.json")
    assert told(array).splitlines()[1] == "JSON lines are needed: an object such as {...} on every line."
    assert "not JSON" in told(write(tmp_path, ["{", '{"text": "a"}'], "list.jsonl"))


def test_settings_that_cannot_be(tmp_path):
    path = write(tmp_path, ["text,label", *lines_of()])
    assert "There is no tokenizer 'words'. Did you mean word?" in told(path, tokenizer="words")
    assert "dataset.max_length=0: give a number of tokens" in told(path, max_length=0)
    assert "dataset.val_fraction=1.5 leaves a split empty" in told(path, val_fraction=1.5)


@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_a_packed_table(tmp_path, kind):
    rows = [line.split(",") for line in lines_of()]
    lines = [json.dumps({"text": text, "label": label}) for text, label in rows]
    if kind == "csv":
        lines = ["text,label", *lines_of()]
    path = tmp_path / f"list.{kind}.gz"
    path.write_bytes(gzip.compress("\n".join(lines).encode()))
    assert len(all_texts(load(path))) == 20
    path.write_bytes(path.read_bytes()[:-20])
    assert "is not a complete .gz file" in told(path)


@pytest.mark.parametrize(("on_conflict", "kept"), [("majority", ["b", "b"]), ("first", ["a"])])
def test_the_same_text_with_several_labels_takes_the_one_that_is_asked_for(tmp_path, on_conflict, kept):
    rows = [f"text {label} {number},{label}" for number in range(12) for label in "ab"]
    path = tmp_path / "list.csv"
    path.write_text("\n".join(["text,label", "same,a", "same,b", "same,b", *rows]))
    data = load(path, on_conflict=on_conflict)
    found = [
        data.spec.class_names[label]
        for split in (data.train, data.val, data.test)
        for text, label in zip(split.texts, split.labels.tolist(), strict=True)
        if text == "same"
    ]
    assert found == kept
    assert any(f"{3 - len(kept)} texts dropped" in note for note in data.notes)
    assert "labeled 'a'" in told(path)


def test_several_columns_are_one_text_in_the_order_given(tmp_path):
    labels = {"rains": "yes", "snows": "no"}
    lines = [f"{label},it {word} {n}, then {n} " for n in range(10) for word, label in labels.items()]
    path = write(tmp_path, ["label,premise,hypothesis", *lines, "yes,alone,", "no, , "])
    data = load(path, "skip", text_column=["hypothesis", "premise"])
    texts = {text for part in (data.train, data.val, data.test) for text in part.texts}
    assert texts == {f"then {n} | it {word} {n}" for n in range(10) for word in labels} | {" | alone"}
    assert [str(problem) for problem in data.problems] == [f"{path}:23: no text"]
    data = load(path, "skip", text_column=["premise", "hypothesis"], text_separator="//")
    assert "it rains 3//then 3" in {text for part in (data.train, data.val, data.test) for text in part.texts}
    assert "dataset.text_column=[]: give a column" in told(path, text_column=[])
    same = "dataset.text_column[0] and dataset.text_column[1] name the same column, 'premise'."
    assert told(path, text_column=["premise", "premise"]) == same
    assert "Did you mean dataset.text_column=premise?" in told(path, text_column=["premises", "hypothesis"])


def test_classes_that_look_alike_are_named(tmp_path):
    """Capitals, how a letter is written, spaces inside, numbers; what nobody sees around a label is no part of it."""
    labels = ["good", "Good", "caf\u00e9", "cafe\u0301", "1", "1.0", "nan", "good\u200b", "\u00a0good", "bad"]
    lines = ["text,label", *(f"film {n} {label},{label}" for label in labels for n in range(5))]
    data = load(write(tmp_path, lines))
    assert (
        "classes that look alike: '1' and '1.0', 'Good' and 'good', 'cafe\u0301' and 'caf\u00e9'; each is a class of"
        in str(data.notes)
    )
    assert "a class is called 'nan': are these examples without a label?" in data.notes
    assert len(data.spec.class_names) == 8
    assert not [note for note in load(write(tmp_path, ["text,label", *lines_of()])).notes if "alike" in note]


def test_a_text_that_nobody_sees_is_none(tmp_path):
    path = write(tmp_path, ["text,label", *lines_of(), "\u200b,good", "\ufeff \u200f,bad"])
    assert [problem.what for problem in load(path, "skip").problems] == ["no text"] * 2


def test_a_column_of_splits_under_another_name(tmp_path):
    lines = [f"{line},{('train', 'val', 'test')[n // 2 % 3]}" for n, line in enumerate(lines_of(12))]
    data = load(write(tmp_path, ["text,label,Split", *lines]))
    assert [len(data.train), len(data.val), len(data.test)] == [8, 8, 8]
    path = write(tmp_path, ["text,label,subset", *lines])
    note = f"{path}: the column 'subset' (test, train, val) is not read; dataset.split_column=subset takes it"
    assert note in load(path).notes
    assert note not in load(path, split_column="subset").notes


def test_a_table_of_test_rows_alone_has_no_train(tmp_path):
    path = write(tmp_path, ["text,label,split", *(f"{line},test" for line in lines_of())])
    assert "has no usable texts left in train" in told(path)
