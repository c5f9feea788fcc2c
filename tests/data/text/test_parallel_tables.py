"""Sentences and their translations in tables, and lines of names above pairs."""

import json

import pytest

from sensorium.data.io.tables import open_table
from sensorium.data.text.parallel_table import ParallelTable
from sensorium.data.text.parallel_tsv import ParallelTsv
from sensorium.errors import RequestError
from sensorium.text.languages import is_header, names_language

SETTINGS = {
    "tokenizer": "word",
    "vocab_size": 1000,
    "min_count": 1,
    "lowercase": False,
    "max_length": 50,
    "shared_vocabulary": False,
    "val_fraction": 0.2,
    "test_fraction": 0.2,
    "split_seed": 0,
    "val_path": None,
    "test_path": None,
    "encoding": None,
}
PAIRS = [(f"a dog {n}", f"ein Hund {n}") for n in range(20)]


def table_of(path, on_bad="fail", **changes):
    chosen = {"source": "en", "target": "de", "split_column": None} | SETTINGS | changes
    return ParallelTable(path=str(path), **chosen).load(on_bad=on_bad)


def tsv_of(path, on_bad="fail", **changes):
    chosen = {"source_column": 0, "target_column": 1, "header": "auto"} | SETTINGS | changes
    return ParallelTsv(path=str(path), **chosen).load(on_bad=on_bad)


def told(call, *arguments, **changes) -> str:
    with pytest.raises(RequestError) as error:
        call(*arguments, **changes)
    return str(error.value)


def pairs(data) -> set[tuple[str, str]]:
    parts = (data.train, data.val, data.test)
    return {pair for part in parts for pair in zip(part.source_texts, part.references, strict=True)}


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.mark.parametrize("inside", [True, False])
def test_json_lines_of_the_hub_and_flat_ones(tmp_path, inside):
    rows = [{"en": source, "de": target} for source, target in PAIRS]
    path = write(tmp_path / "a.jsonl", [{"id": "1", "translation": row} for row in rows] if inside else rows)
    assert pairs(table_of(path)) == set(PAIRS)
    assert pairs(table_of(path, source="de", target="en")) == {(target, source) for source, target in PAIRS}
    missing = told(table_of, path, target="fr")
    assert missing.startswith(f"{path} has no column 'fr'.")
    assert missing.endswith("translation.en, translation.de." if inside else "Its columns are: en, de.")


@pytest.mark.parametrize("inside", [True, False])
def test_parquet(tmp_path, inside):
    arrow = pytest.importorskip("pyarrow")
    rows = [{"en": source, "de": target} for source, target in PAIRS]
    rows = [{"id": 1, "translation": row} for row in (*rows, None)] if inside else rows
    path = tmp_path / "a.parquet"
    pytest.importorskip("pyarrow.parquet").write_table(arrow.Table.from_pylist(rows), path)
    data = table_of(path, on_bad="skip")
    assert pairs(data) == set(PAIRS)
    assert [str(problem) for problem in data.problems] == [f"{path}:21: no sentence to translate"] * inside


def test_a_csv_with_splits(tmp_path):
    path = tmp_path / "a.csv"
    splits = ["train"] * 10 + ["dev"] * 6 + ["test"] * 4
    lines = [f"{split},{source},{target}" for split, (source, target) in zip(splits, PAIRS, strict=True)]
    path.write_text("\ufeffsplit,en,de\r\n" + "\r\n".join(lines) + "\r\n", encoding="utf-8")
    data = table_of(path)
    assert [len(part) for part in (data.train, data.val, data.test)] == [10, 6, 4]
    assert told(table_of, path, source="de") == "dataset.source and dataset.target are both de: give two columns."


def test_rows_that_are_no_pair_are_named(tmp_path):
    good = [{"translation": {"en": source, "de": target}} for source, target in PAIRS]
    odd = [{"translation": {"en": "x"}}, {"translation": "x"}, {"translation": {"en": ["x"], "de": "y"}}]
    path = write(tmp_path / "a.jsonl", [*good, *odd])
    with path.open("a") as file:
        file.write('{"translation": {"en": "a", "en": "b", "de": "c"}}\n')
    assert [str(problem) for problem in table_of(path, "skip").problems] == [
        f"{path}:21: no translation",
        f"{path}:22: no sentence to translate",
        f"{path}:23: neither text nor a number: list",
        f"{path}:24: the key 'translation.en' occurs 2 times",
    ]


def test_values_inside_of_objects_are_columns(tmp_path):
    path = write(tmp_path / "a.jsonl", [{"a": {"b": {"c": 1}, "d": "x"}, "e": "y"}, {"a": None, "e": "z"}])
    table = open_table(path, encoding=None)
    assert table.columns == ["a", "a.b", "a.b.c", "a.d", "e"]
    assert list(table.rows(["a.b.c", "e"])) == [(1, ["1", "y"]), (2, ["", "z"])]


def test_translation_memories_are_refused_by_name(tmp_path):
    path = tmp_path / "a.tmx"
    path.write_text("<tmx/>")
    for call in (table_of, tsv_of):
        assert told(call, path).startswith(f"{path}: .tmx is not read here.")


@pytest.mark.parametrize(
    ("first", "header", "read"),
    [
        ("en\tde", "auto", False),
        ("\ufeffGerman\tEnglish", "auto", False),
        ("source\ttarget", "auto", False),
        ("en\tde", False, True),
        ("Hund\tdog", "auto", True),
        ("Hund\tdog", True, False),
        ("en\ten", "auto", True),
    ],
)
def test_a_line_of_names_is_no_pair(tmp_path, first, header, read):
    path = tmp_path / "a.tsv"
    path.write_text("\r\n".join([first, *map("\t".join, PAIRS)]) + "\r\n", encoding="utf-8")
    data = tsv_of(path, header=header)
    names = tuple(first.removeprefix("\ufeff").split("\t"))
    assert pairs(data) == {*PAIRS, *([names] if read else [])}
    noted = [note for note in data.notes if "column names" in note]
    hint = " (dataset.header=false reads it as one)" if header == "auto" else ""
    expected = f"{path}:1: read as column names, not as a pair: {', '.join(names)}{hint}"
    assert noted == ([] if read else [expected])


def test_settings_of_tabs_that_cannot_be(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_text("a\tb\n")
    assert "are both 1" in told(tsv_of, path, source_column=1)
    assert "give the number of a column, from 0" in told(tsv_of, path, source_column=-1)
    assert "There is no header 'maybe'" in told(tsv_of, path, header="maybe")


def test_names_of_languages():
    assert all(map(names_language, ("en", "deu", "en-US", "pt_BR", "deu_Latn", "German", "français")))
    assert not any(map(names_language, ("En", "Go", "dog", "xx-US", "text", "")))
    assert is_header(["src", "tgt"])
    assert not is_header(["Go", "Va"])
