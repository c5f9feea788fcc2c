"""The decision boundary of a model of two inputs, read back from the image."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from sensorium.tasks.classification.decision_boundary import plot_boundary
from sensorium.tasks.classification.evaluate import Plane
from sensorium.tasks.classification.report import write_classification_report


def plane_of(edge: float, size: int = 61) -> Plane:
    """Class 1 to the right of a vertical edge, and quite sure of it."""
    second = torch.sigmoid(40 * (torch.linspace(-0.25, 1.25, size) - edge)).expand(size, size)
    return Plane(-0.25, 1.25, torch.stack([1 - second, second], dim=2))


def pixels_of(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB")).astype(int)


def of_class_one(pixels: np.ndarray) -> np.ndarray:
    """Orange, pale or not: more red than blue. Class 0 is blue, everything else is gray."""
    return pixels[:, :, 0] - pixels[:, :, 2] > 20


@pytest.mark.parametrize("edge", [0.125, 0.5, 0.875])
def test_classes_take_the_share_of_the_plane_that_is_theirs(tmp_path: Path, edge: float) -> None:
    points = np.array([[0.0, 0.0], [1.0, 1.0]])
    labels, correct = np.array([0, 1]), np.array([True, True])
    path = tmp_path / "boundary.png"
    plot_boundary(
        plane=plane_of(edge), points=points, labels=labels, correct=correct, class_names=("a", "$b$"), path=path
    )
    pixels = pixels_of(path)
    orange, blue = of_class_one(pixels), pixels[:, :, 2] - pixels[:, :, 0] > 20
    columns = np.flatnonzero((orange | blue).sum(0) > 200)  # of the plane, not of the legend
    share = orange[:, columns].sum() / (orange | blue)[:, columns].sum()
    assert share == pytest.approx((1.25 - edge) / 1.5, abs=0.03)


def test_the_second_input_grows_upwards(tmp_path: Path) -> None:
    plane = plane_of(0.5)
    turned = plane._replace(probabilities=plane.probabilities.transpose(0, 1))
    nothing = {"points": np.empty((0, 2)), "labels": np.empty(0, int), "correct": np.empty(0, bool)}
    plot_boundary(plane=turned, **nothing, class_names=("a", "b"), path=tmp_path / "boundary.png")
    pixels = pixels_of(tmp_path / "boundary.png")[:, 200:450]  # of the plane, not of the legend
    orange, blue = of_class_one(pixels), pixels[:, :, 2] - pixels[:, :, 0] > 20
    assert np.flatnonzero(orange.any(1)).max() < np.flatnonzero(blue.any(1)).min()


def test_the_report_draws_it_for_two_inputs_only(tmp_path: Path) -> None:
    names = ["0 0", "0 1"]
    arguments = {
        "probabilities": torch.tensor([[0.9, 0.1], [0.8, 0.2]]),
        "labels": torch.tensor([0, 1]),
        "class_names": ("a", "b"),
        "names": names,
        "read_images": lambda rows: np.zeros((len(rows), 1, 1, 2), np.uint8),
        "predictions_format": "csv",
    }
    without = write_classification_report(tmp_path / "without", **arguments)
    with_plane = write_classification_report(tmp_path / "with", **arguments, plane=plane_of(0.5))
    assert "boundary.png" not in [path.name for path in without]
    assert tmp_path / "with" / "plots" / "boundary.png" in with_plane
    assert all(path.exists() for path in with_plane)
