"""The files of an evaluation, read back; images opened and looked into."""

import csv
import json

import numpy as np
import pytest
import torch
from PIL import Image

from sensorium.metrics.classification import outcomes
from sensorium.tasks.classification.report import write_classification_report
from sensorium.tasks.plots import plot_calibration, plot_confusion, plot_worst, worst_errors

PROBABILITIES = torch.tensor(
    [
        [0.7, 0.2, 0.1, 0],
        [0.1, 0.8, 0.1, 0],
        [0.6, 0.3, 0.1, 0],
        [0.2, 0.5, 0.3, 0],
        [0.3, 0.3, 0.4, 0],
        [0.9, 0.1, 0, 0],
    ]
)
LABELS = torch.tensor([0, 1, 1, 1, 2, 2])  # wrong: rows 2 (confidence 0.6) and 5 (0.9)
CLASSES = ("cat", "dog, wet", "$5 and $10", "never")
NAMES = [f"images/{i}.png" for i in range(6)]


def write(folder, predictions_format="csv", read_images=lambda rows: np.zeros((len(rows), 3, 8, 8), np.uint8)):
    return write_classification_report(
        folder,
        probabilities=PROBABILITIES,
        labels=LABELS,
        class_names=CLASSES,
        names=NAMES,
        read_images=read_images,
        predictions_format=predictions_format,
    )


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """A folder with a report in it, and the paths that writing it returned."""
    folder = tmp_path_factory.mktemp("report") / "run"
    return folder, write(folder)


def read_csv(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def pixels(path):
    return np.asarray(Image.open(path).convert("RGB")).reshape(-1, 3)


def count_of(path, colour):
    return int((pixels(path) == colour).all(axis=1).sum())


def test_it_returns_what_it_wrote_and_writes_nothing_else(report):
    folder, written = report
    assert sorted(path for path in folder.rglob("*") if path.is_file()) == sorted(written)
    names = {path.relative_to(folder).as_posix() for path in written}
    plots = {"plots/confusion.png", "plots/calibration.png", "plots/worst.png"}
    assert names == {"per_class.csv", "confusion.csv", "predictions.csv"} | plots


def test_tables_parse_back(report):
    folder, _ = report
    assert read_csv(folder / "confusion.csv") == [
        ["true class / predicted class", *CLASSES],
        ["cat", "1", "0", "0", "0"],
        ["dog, wet", "1", "2", "0", "0"],
        ["$5 and $10", "1", "0", "1", "0"],
        ["never", "0", "0", "0", "0"],
    ]
    header, *rows = read_csv(folder / "per_class.csv")
    assert header == ["class", "precision", "recall", "f1", "support"]
    assert [float(cell) for cell in rows[1][1:]] == pytest.approx([1, 2 / 3, 0.8, 3])
    assert rows[3] == ["never", "", "", "", "0"]


def test_predictions_parse_back(report, tmp_path):
    folder, _ = report
    header, *rows = read_csv(folder / "predictions.csv")
    assert header == ["index", "name", "label", "prediction", "correct", "confidence", "label_probability"]
    assert len(rows) == 6
    assert rows[0] == ["0", "images/0.png", "cat", "cat", "true", "0.7", "0.7"]
    assert rows[2] == ["2", "images/2.png", "dog, wet", "cat", "false", "0.6", "0.3"]
    write(tmp_path, predictions_format="jsonl")
    lines = [json.loads(line) for line in (tmp_path / "predictions.jsonl").read_text().splitlines()]
    assert lines[2] == {
        "index": 2,
        "name": "images/2.png",
        "label": "dog, wet",
        "prediction": "cat",
        "correct": False,
        "confidence": 0.6,
        "label_probability": 0.3,
    }
    assert [line["index"] for line in lines] == list(range(6))


def test_names_must_match_the_numbers(tmp_path):
    with pytest.raises(ValueError, match=r"4 class names and 6 example names for probabilities of shape \(5, 4\)"):
        write_classification_report(
            tmp_path,
            probabilities=PROBABILITIES[:5],
            labels=LABELS[:5],
            class_names=CLASSES,
            names=NAMES,
            read_images=lambda rows: np.zeros((len(rows), 1, 8, 8), np.uint8),
            predictions_format="csv",
        )


def test_the_surest_errors_are_read_first(tmp_path):
    asked = []

    def read_images(rows):
        asked.extend(rows.tolist())
        colours = np.array([[200, 30, 40], [10, 180, 90]], np.uint8)
        return np.broadcast_to(colours[:, :, None, None], (2, 3, 8, 8))

    write(tmp_path, read_images=read_images)
    assert asked == [5, 2]
    page = np.asarray(Image.open(tmp_path / "plots" / "worst.png").convert("RGB"))
    first = (page == [200, 30, 40]).all(axis=2)
    second = (page == [10, 180, 90]).all(axis=2)
    assert first.sum() > 40_000  # over 200 pixels a side
    assert second.sum() > 40_000
    assert first.nonzero()[1].max() < second.nonzero()[1].min()


def test_the_errors_have_their_names(tmp_path, monkeypatch):
    shown = {}
    monkeypatch.setattr("sensorium.tasks.classification.report.plot_worst", lambda **arguments: shown.update(arguments))
    write(tmp_path)
    assert shown["labels"] == ["$5 and $10", "dog, wet"]
    assert shown["predictions"] == ["cat", "cat"]
    assert shown["confidences"] == pytest.approx([0.9, 0.6])
    assert shown["names"] == ["images/5.png", "images/2.png"]


def test_at_most_25_errors_are_shown():
    probabilities = torch.tensor([[0.4, 0.6]]).repeat(40, 1)
    probabilities[30] = torch.tensor([0.1, 0.9])
    rows = worst_errors(outcomes(probabilities, torch.zeros(40, dtype=torch.long)))
    assert rows.tolist() == [30, *range(24)]


@pytest.mark.parametrize(
    ("count", "shape", "size"),
    [
        (0, (1, 8, 8), (750, 240)),
        (1, (1, 8, 8), (525, 399)),
        (25, (3, 32, 32), (1312, 1755)),
        (7, (4, 20, 40), (1312, 483)),
    ],
)
def test_worst_has_a_page_for_any_number_of_errors(tmp_path, count, shape, size):
    plot_worst(
        images=np.full((count, *shape), 90, np.uint8),
        labels=[r"a very long name, no formula: $\broken{$"] * count,
        predictions=["b"] * count,
        confidences=[0.97] * count,
        names=[r"photos/a_$x_$.png"] * count,
        path=tmp_path / "worst.png",
    )
    assert Image.open(tmp_path / "worst.png").size == size
    assert (count_of(tmp_path / "worst.png", [90, 90, 90]) > 5000) == (count > 0)


@pytest.mark.parametrize(("k", "low", "high"), [(2, 255, 500), (10, 675, 900), (100, 1650, 1900), (150, 1650, 1900)])
def test_confusion_has_a_size_for_any_number_of_classes(tmp_path, k, low, high):
    plot_confusion(matrix=np.eye(k, dtype=int), class_names=[f"c{i}" for i in range(k)], path=tmp_path / "a.png")
    width, height = Image.open(tmp_path / "a.png").size
    assert low < height < width < high + 200
    assert height < high


def test_confusion_colours_are_shares_of_the_row(tmp_path):
    path = tmp_path / "a.png"
    full, empty, grey = [8, 48, 107], [247, 251, 255], [228, 228, 228]
    plot_confusion(matrix=np.array([[900, 0], [0, 3]]), class_names=["a", "b"], path=path)
    cell = (0.85 * 150) ** 2
    assert count_of(path, full) == pytest.approx(2 * cell, rel=0.2)  # the rarer class as dark as the common one
    assert count_of(path, empty) == pytest.approx(2 * cell, rel=0.2)
    assert count_of(path, grey) < 100
    plot_confusion(matrix=np.array([[900, 0], [0, 0]]), class_names=["a", "b"], path=path)
    assert count_of(path, grey) == pytest.approx(2 * cell, rel=0.2)


def test_long_names_make_the_confusion_matrix_larger_not_its_cells_smaller(tmp_path):
    for name, classes in (("short", ["a", "b"]), ("long", ["an albatross in flight", r"$\broken{$" + "\udc80\nb"])):
        plot_confusion(matrix=np.eye(2, dtype=int), class_names=classes, path=tmp_path / f"{name}.png")
    short, long = tmp_path / "short.png", tmp_path / "long.png"
    assert Image.open(long).size > Image.open(short).size
    assert count_of(long, [8, 48, 107]) == pytest.approx(count_of(short, [8, 48, 107]), rel=0.02)


def test_calibration_has_its_size_and_no_gap_when_there_is_none(tmp_path):
    path = tmp_path / "a.png"
    sure = torch.tensor([[1.0, 0.0]]).repeat(30, 1)
    red = np.array([0.45 * c + 0.55 * 255 for c in (0xC0, 0x39, 0x2B)]).round()
    for wrong in (0, 15):
        plot_calibration(outcomes=outcomes(sure, (torch.arange(30) < wrong).long()), path=path)
        assert Image.open(path).size == (690, 810)
        gap = int((abs(pixels(path) - red) <= 2).all(axis=1).sum())
        assert (gap > 2000) == (wrong > 0)  # the key's sample alone is under 1000 pixels
