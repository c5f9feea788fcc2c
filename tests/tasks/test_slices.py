"""Metrics of groups of examples: who is in a group, which is the worst, and what is refused."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sensorium.data.attributes import Attribute, cells
from sensorium.data.strings import Places
from sensorium.data.vision.image_csv import ImageCsv
from sensorium.errors import RequestError
from sensorium.robustness import slice_groups
from sensorium.tasks.base import Metric
from sensorium.tasks.regression.evaluate import RegressionEvaluation
from sensorium.tasks.slice_report import write_slices
from sensorium.tasks.slices import Groups, Slices, grouped, measured


def groups_of(values: list[str]) -> dict[str, list[int]]:
    known = {"of": lambda: Attribute(np.array(values, dtype=np.str_), untyped=True)}
    return plain(grouped("of", known, [], encoding=None))


def plain(groups: Groups) -> dict[str, list[int]]:
    return {name: rows.tolist() for name, rows in groups.items()}


def test_words_group_by_value_and_an_empty_cell_is_one() -> None:
    assert groups_of(["b", "a", "", "b"]) == {"(empty)": [2], "a": [1], "b": [0, 3]}


def test_a_few_numbers_are_values_and_many_are_quantiles() -> None:
    assert groups_of(["1", "2", "1"]) == {"1": [0, 2], "2": [1]}
    found = groups_of([str(number) for number in range(100)] + [""])
    assert {name: len(rows) for name, rows in found.items()} == {
        "0 to 19": 20,
        "20 to 39": 20,
        "40 to 59": 20,
        "60 to 79": 20,
        "80 to 99": 20,
        "(empty)": 1,
    }


def test_numbers_that_are_names_are_not_binned() -> None:
    hospitals = groups_of([str(number % 15) for number in range(300)])
    assert len(hospitals) == 15
    assert len(hospitals["7"]) == 20
    assert len(groups_of([f"{number % 40:03}" for number in range(400)])) == 31  # 007 is no number; thirty and the rest
    fractions = groups_of([str(number % 15 + 0.5) for number in range(300)])
    assert list(fractions) == ["0.5 to 2.5", "3.5 to 5.5", "6.5 to 8.5", "9.5 to 11.5", "12.5 to 14.5"]
    speakers = {"speaker": lambda: Attribute(np.array([str(number % 60) for number in range(600)]))}
    assert len(grouped("speaker", speakers, [], encoding=None)) == 31


def test_beyond_thirty_groups_the_smallest_are_one() -> None:
    values = [f"v{number:02}" for number in range(40) for _ in range(3 if number < 25 else 2)]
    found = groups_of(values)
    assert len(found) == 31
    assert len(found["(10 smaller groups)"]) == 20
    assert sorted(row for rows in found.values() for row in rows) == list(range(len(values)))


def test_what_makes_no_groups_is_refused() -> None:
    with pytest.raises(RequestError, match=r"100 different values in 100 examples make no groups"):
        groups_of([f"id{number}" for number in range(100)])
    with pytest.raises(RequestError, match=r"all examples are in one group \(a\)"):
        groups_of(["a", "a"])
    with pytest.raises(RequestError, match=r"mean slices=length\?\nKnown of each example: length. The examples"):
        grouped("lenght", {"length": lambda: Attribute(np.zeros(1))}, [], encoding=None)
    with pytest.raises(RequestError, match="nothing is known of the examples"):
        grouped("of", {}, [("photos/a.png", 0)], encoding=None)
    lengths = {"length": lambda: Attribute(np.arange(39.0), unit="tokens")}
    with pytest.raises(RequestError, match="39 examples are too few to group by a number; it takes 20"):
        grouped("length", lengths, [], encoding=None)


def evaluation(errors: list[float]) -> RegressionEvaluation:
    """Each error as two, around targets that alternate, so that r2 is defined."""
    found = np.array([[target + error] for error in errors for target in (0.0, 2.0)])
    targets = np.array([[0.0], [2.0]] * len(errors))
    return RegressionEvaluation(found, targets, np.ones(1), 1.0)


def sliced(groups: dict[str, range], headline: Metric) -> Slices:
    return measured(
        evaluation([0.1] * 10 + [0.5] * 10 + [0.9] * 2),
        {name: np.array(rows) for name, rows in groups.items()},
        by="who",
        headline=headline,
        resamples=50,
    )


def test_each_group_is_measured_alone_and_the_worst_is_named(tmp_path: Path) -> None:
    groups = {"ann": range(20), "bob": range(20, 40), "cy": range(40, 44)}
    found = sliced(groups, Metric("mae", higher_is_better=False))
    assert [one.metrics["mae"] for one in found.slices] == pytest.approx([0.1, 0.5, 0.9])
    assert found.whole.metrics["mae"] == pytest.approx((20 * 0.1 + 20 * 0.5 + 4 * 0.9) / 44)
    assert found.slices[1].interval is None  # all are equally wrong
    assert found.worst is found.slices[1]  # cy is worse, of four examples only
    assert "worst by who: bob, mae 0.5000" in found.line()
    table, plot = write_slices(tmp_path, found)
    lines = table.read_text().splitlines()
    assert lines[0].startswith("group,examples,mae,")
    assert [line.split(",")[0] for line in lines[1:]] == ["ann", "bob", "cy", "all"]
    assert [line.split(",")[-1] for line in lines[1:]] == ["false", "false", "true", "false"]
    assert Image.open(plot).width > 500


def test_where_all_groups_are_equal_none_is_the_worst() -> None:
    """Ann and bob are equally wrong; cy is worse, of four examples only."""
    found = sliced({"ann": range(20), "bob": range(20), "cy": range(40, 44)}, Metric("mae", higher_is_better=False))
    assert found.worst is None
    assert found.line() == f"no group by who is worse than the others: mae {found.whole.metrics['mae']:.4f}"
    few = sliced({"ann": range(20), "cy": range(40, 44)}, Metric("mae", higher_is_better=False))
    assert few.worst is few.slices[1]  # one large group has no other to be worse than
    assert "4 examples, fewer than 20: mostly chance" in few.line()


def test_a_metric_that_is_better_when_higher_is_worst_when_lowest() -> None:
    found = sliced({"ann": range(20), "bob": range(20, 40)}, Metric("r2"))
    assert found.worst is found.slices[1]
    assert found.worst.metrics["r2"] == pytest.approx(1 - 0.25)


def test_cells_follow_the_rows_that_examples_were_read_from(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("text,who\none,ann\n\ntwo,bob\nthree, cy \n")
    places = Places([str(table)], np.zeros(3, np.int64), np.array([5, 2, 4])).subset(np.array([0, 1, 2]))
    assert cells(places.origins(), "who", encoding=None, key="slices").values.tolist() == ["cy", "ann", "bob"]
    with pytest.raises(RequestError, match=r"no column 'whom'. Did you mean slices=who\?"):
        cells(places.origins(), "whom", encoding=None, key="slices")


def test_a_cell_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    table = tmp_path / "t.jsonl"
    table.write_text('{"text": "a", "who": "ann"}\n{"text": "b", "who": {"name": "bob"}}\n')
    with pytest.raises(RequestError, match=r"slices=who: the cell of .*t.jsonl:2 cannot be read: neither text"):
        cells([(str(table), 1), (str(table), 2)], "who", encoding=None, key="slices")


def test_a_metric_that_the_whole_lacks_is_no_fault(tmp_path: Path) -> None:
    """Of a single example there is no r2, and of no group either."""
    found = measured(
        evaluation([0.1]), {"a": np.array([0]), "b": np.array([1])}, by="x", headline=Metric("r2"), resamples=9
    )
    constant = replace(found, whole=replace(found.whole, metrics={}))
    assert constant.line() == "no group by x has a r2"
    write_slices(tmp_path, constant)
    assert constant.to_dict()["worst"] is None


def image_table(folder: Path) -> Path:
    """Forty images of 8 to 47 pixels, in rows that name their camera and class; held out by content."""
    random = np.random.default_rng(0)
    lines = ["path,label,camera"]
    for number in range(40):
        side = 8 + number
        Image.fromarray(random.integers(0, 255, (side, side, 3), dtype=np.uint8)).save(folder / f"{number}.png")
        lines.append(f"{number}.png,{'ab'[number % 2]},camera {number % 4}")
    (folder / "list.csv").write_text("\n".join(lines) + "\n")
    return folder / "list.csv"


def test_columns_sizes_and_classes_of_images_of_a_table(tmp_path: Path) -> None:
    data = ImageCsv(
        path=str(image_table(tmp_path)),
        path_column="path",
        label_column="label",
        split_column=None,
        encoding=None,
        image_size=8,
        resize="stretch",
        channels=3,
        cache_bytes=1 << 30,
        val_fraction=0.25,
        test_fraction=0.25,
        split_seed=0,
        on_conflict="drop",
    ).load(on_bad="fail")
    everything = data.train.joined([data.val, data.test])
    config: Any = SimpleNamespace(dataset={})
    for name, split in (("train", data.train), ("val", data.val), ("test", data.test), ("all", everything)):
        numbers = np.array([int(Path(file).stem) for file in split.names])
        of: dict[str, Groups] = {
            by: slice_groups(data, name, split, data.spec, by=by, config=config, say=print)
            for by in ("camera", "class")
        }
        for camera, rows in of["camera"].items():
            assert rows.tolist() == np.flatnonzero(numbers % 4 == int(camera[-1])).tolist()
        assert of["class"]["b"].tolist() == np.flatnonzero(numbers % 2).tolist()
    by_size = slice_groups(data, "all", everything, data.spec, by="size", config=config, say=print)
    numbers = np.array([int(Path(file).stem) for file in everything.names])
    assert plain(by_size) == {
        "8 to 27 pixels": np.flatnonzero(numbers < 20).tolist(),
        "28 to 47 pixels": np.flatnonzero(numbers >= 20).tolist(),
    }
    with pytest.raises(
        RequestError,
        match=r"nothing named 'camra'.*mean slices=camera\?\n.*: size, class. Columns of the table: path, label, cam",
    ):
        slice_groups(data, "test", data.test, data.spec, by="camra", config=config, say=print)
