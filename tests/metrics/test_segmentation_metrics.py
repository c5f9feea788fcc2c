"""Metrics of masks: 2x3 pixels by hand, and against scikit-learn and torchmetrics."""

import math

import numpy as np
import pytest
import torch
from sklearn.metrics import confusion_matrix, f1_score, jaccard_score, recall_score
from torchmetrics.functional.classification import multiclass_jaccard_index

from sensorium.batches import VOID
from sensorium.metrics.segmentation import confusion_matrices, mean_iou, per_class, summary

MASKS = torch.tensor([[[0, 0, 1], [1, 2, VOID]], [[0, 0, 0], [VOID, VOID, VOID]]], dtype=torch.uint8)
FOUND = torch.tensor([[[0, 1, 1], [1, 1, 3]], [[0, 0, 0], [0, 1, 2]]])


def test_by_hand() -> None:
    matrices = confusion_matrices(FOUND, MASKS, num_classes=4)
    assert matrices[0].tolist() == [[1, 1, 0, 0], [0, 2, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0]]
    assert matrices[1].sum() == matrices[1, 0, 0] == 3
    first = per_class(matrices[0].numpy())
    assert first.iou[:3] == pytest.approx([1 / 2, 2 / 4, 0])
    assert first.dice[:3] == pytest.approx([2 / 3, 4 / 6, 0])
    assert first.accuracy[:3] == pytest.approx([1 / 2, 1, 0])
    assert first.precision[:2] == pytest.approx([1, 1 / 2])
    assert math.isnan(first.iou[3])  # neither in the reference nor found
    assert math.isnan(first.precision[2])
    assert first.pixels.tolist() == [2, 2, 1, 0]
    assert mean_iou(matrices.numpy()) == pytest.approx([1 / 3, 1])
    together = summary(matrices.sum(0).numpy())
    assert together["pixel_accuracy"] == pytest.approx(6 / 8)
    assert together["miou"] == pytest.approx((4 / 5 + 2 / 4 + 0) / 3)
    assert together["class_accuracy"] == pytest.approx((4 / 5 + 1 + 0) / 3)


def test_a_class_that_is_found_and_does_not_occur_counts_as_nothing() -> None:
    matrix = confusion_matrices(torch.tensor([[[0, 2]]]), torch.tensor([[[0, 0]]]), num_classes=3)
    assert mean_iou(matrix.numpy()).tolist() == [0.25]


@pytest.mark.filterwarnings("error")
def test_no_counted_pixel_has_no_mean() -> None:
    nothing = np.zeros((2, 3, 3), dtype=np.int64)
    assert np.isnan(mean_iou(nothing)).all()
    assert all(math.isnan(value) for value in summary(nothing[0]).values())


def test_agrees_with_others() -> None:
    random = torch.Generator().manual_seed(0)
    masks = torch.randint(0, 5, (3, 8, 9), generator=random)
    found = torch.where(torch.rand(3, 8, 9, generator=random) < 0.6, masks, (masks + 1) % 5)
    masks[torch.rand(3, 8, 9, generator=random) < 0.1] = VOID
    counted = masks != VOID
    truth, guess = masks[counted].numpy(), found[counted].numpy()
    matrix = confusion_matrices(found, masks, num_classes=5).sum(0).numpy()
    assert np.array_equal(matrix, confusion_matrix(truth, guess))
    measured = summary(matrix)
    assert measured["miou"] == pytest.approx(jaccard_score(truth, guess, average="macro"))
    assert measured["miou"] == pytest.approx(
        float(multiclass_jaccard_index(found, masks, num_classes=5, ignore_index=VOID)), abs=1e-6
    )
    assert measured["dice"] == pytest.approx(f1_score(truth, guess, average="macro"))
    assert measured["class_accuracy"] == pytest.approx(recall_score(truth, guess, average="macro"))
    assert measured["pixel_accuracy"] == pytest.approx((truth == guess).mean())
