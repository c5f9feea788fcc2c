"""Class balance, outliers, constant inputs, shared speakers, boxes, and the page with all of it."""

import json

import numpy as np
import pytest

from sensorium.data.base import Problem
from sensorium.errors import RequestError
from sensorium.inspection import balance, boxes, outliers, page
from sensorium.inspection.checks import CHECKS, inspect, loading
from sensorium.inspection.cleaned import cleaned
from sensorium.inspection.contents import Contents
from sensorium.inspection.findings import Finding


def contents(count: int, **fields: object) -> Contents:
    names = [f"e{row}" for row in range(count)]
    return Contents(unit="example", names=names, splits=np.zeros(count, np.int64), **fields)  # type: ignore[arg-type]


def test_balance_by_hand():
    counts = {
        "train": {"a": 100, "b": 10, "c": 4},
        "val": {"a": 10, "b": 0, "c": 1},
        "test": {"a": 50, "b": 50, "c": 2},
    }
    found = [(one.what, one.count) for one in balance.check(counts, counted="examples")]
    assert found == [
        ("uneven classes in train: 100 examples of a, 4 of c", 3),
        ("classes with fewer than 10 examples in train", 1),
        ("classes that val has no examples of: b", 1),
        # 100/114 and 50/102 of a: 38.7% fewer; the others gain as much.
        ("the classes of test are not those of train: 40% of the examples are of other classes", 3),
    ]


def test_even_classes_are_no_finding():
    even = {split: {"a": 50, "b": 49} for split in ("train", "val", "test")}
    assert balance.check(even, counted="examples") == []
    assert balance.check({"train": {}, "val": {}, "test": {}}, counted="examples") == []


def test_lengths_far_outside_the_quartiles():
    lengths = np.array([float(10 + row % 5) for row in range(40)] + [300.0, 0.5, np.nan])
    (found,) = outliers.measures(contents(43, measures={"seconds": lengths}))
    assert (found.severity, found.count) == ("note", 2)
    assert found.examples == ["e40 (train): 300", "e41 (train): 0.5"]


def test_another_sample_rate():
    (found,) = outliers.kinds(contents(5, kinds={"rate": np.array([8000, 8000, 16000, 8000, 0])}))
    assert found.what == "rate: 8,000 of 3 examples, and another of the rest"
    assert found.examples == ["e2 (train): 16,000"]


def test_speakers_of_test_in_train():
    shared = Contents(
        unit="recording",
        names=list("abcd"),
        splits=np.array([0, 0, 1, 2]),
        groups=["ann", "bob", "cid", "bob"],
    )
    (found,) = outliers.leakage(shared)
    assert (found.what, found.examples) == ("1 of 1 speakers or sources of test are also in train", ["bob"])


def test_boxes_by_hand():
    found = boxes.check(
        [np.array([[0, 0, 10, 10], [0, 0, 10, 9.9], [3, 3, 4, 9]]), np.array([[0, 0, 50, 40]]), np.zeros((0, 4))],
        [np.array([0, 1, 0]), np.array([0]), np.zeros(0, np.int64)],
        np.array([[40, 50], [40, 50], [40, 50]]),
        names=["a", "b", "c"],
        class_names=("cat", "dog"),
    )
    assert [(one.what, one.count) for one in found] == [
        ("two boxes in the same place", 1),
        ("boxes less than 3 pixels high or wide", 1),
        ("boxes around the whole image", 1),
        ("images without a box", 1),
    ]
    assert found[0].examples == ["a: cat [0.0, 0.0, 10.0, 10.0] and dog"]


def test_problems_of_loading_are_errors_and_come_first():
    problems = [Problem("a.csv:2", "no label"), Problem("a.csv:3", "no label"), Problem("a.csv:9", "no text")]
    found = inspect(contents(3), problems=problems, counts={"train": {"a": 100, "b": 1}}, counted="examples")
    assert [(one.severity, one.what, one.count) for one in found[:2]] == [
        ("error", "no label", 2),
        ("error", "no text", 1),
    ]
    assert found[2].check == "balance"
    assert (
        inspect(contents(3), problems=[], counts={"train": {"a": 9, "b": 1}}, counted="", skip=["balance", *CHECKS])
        == []
    )


def test_two_examples_that_contradict_each_other_are_one_finding():
    problems = [
        Problem("list.csv:2", "labeled 'cat'; list.csv:9 has the same content and label 'dog'"),
        Problem("list.csv:9", "labeled 'dog'; list.csv:2 has the same content and label 'cat'"),
        Problem("train/a.png", "same content as val/b.png, which is in val"),
        Problem("c.png", "not a readable image"),
    ]
    found = {one.what: (one.count, list(one.examples)) for one in loading(problems)}
    assert found == {
        "conflicting labels: the same content": (1, ["list.csv:2 ('cat') = list.csv:9 ('dog')"]),
        "the same content as in val": (1, ["train/a.png = val/b.png"]),
        "not a readable image": (1, ["c.png"]),
    }


def test_a_cleaned_list_leaves_out_what_findings_drop():
    listed = contents(4, table=lambda rows: (("path", "split"), [[f"e{row}", "train"] for row in rows.tolist()]))
    findings = [
        Finding(check="labels", severity="warning", what="", count=1, drop=frozenset({1})),
        Finding(check="duplicates", severity="error", what="", count=1, drop=frozenset({1, 3})),
    ]
    assert cleaned(listed, findings) == (("path", "split"), [["e0", "train"], ["e2", "train"]], 2)


HOSTILE = "<script>alert(1)</script>\x1b[31m"


def test_the_page_shows_names_as_text(tmp_path):
    findings = [
        Finding(check="labels", severity="warning", what=f"what {HOSTILE}", count=300, examples=[HOSTILE] * 300),
        Finding(check="constant", severity="error", what="black", count=1, examples=["a"]),
    ]
    about = {"command": HOSTILE, "dataset": HOSTILE, "examples": {"train": 1234, "val": 1, "test": 2}}
    path = page.write(tmp_path / "new", findings, about=about, notes=[HOSTILE])
    text = path.read_text()
    assert "<script" not in text
    assert "\x1b" not in text
    assert text.count("&lt;script&gt;") == 200 + 4
    assert "and 100 more, all of them in check.json" in text
    assert "1,234" in text
    for outside in ("http:", "https:", "src=", "@import", "url("):
        assert outside not in text
    stored = json.loads((tmp_path / "new" / "check.json").read_text())
    assert stored["counts"] == {"error": 1, "warning": 1, "note": 0}
    assert len(stored["findings"][0]["examples"]) == 300


def test_a_file_that_no_check_wrote_is_kept(tmp_path):
    (tmp_path / "check.html").write_text("mine")
    with pytest.raises(RequestError, match=r"holds check\.html, which no check wrote"):
        page.check_folder(tmp_path, overwrite=False)
    page.check_folder(tmp_path, overwrite=True)
    page.write(tmp_path, [], about={"command": "sensorium check", "dataset": "d", "examples": {}}, notes=[])
    page.check_folder(tmp_path, overwrite=False)


def test_problems_of_many_examples_are_one_finding_whatever_their_names():
    named = [Problem(f"m.csv:{line}", "no transcript", f"clips/{line}.wav") for line in range(2, 14)]
    lost = [Problem(f"m.csv:{line}", f"there is no file clips/{line}.wav; dataset.audio_root=...") for line in (14, 15)]
    assert [(one.what, one.count, one.examples[0]) for one in loading([*named, *lost])] == [
        ("no transcript", 12, "m.csv:2: clips/2.wav"),
        ("there is no file", 2, "m.csv:14: there is no file clips/14.wav; dataset.audio_root=..."),
    ]
    assert [(one.what, one.count) for one in loading([*named[:2], *lost])] == [
        ("no transcript", 2),
        ("there is no file", 2),
    ]
