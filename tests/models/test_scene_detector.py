"""Our own detector: what its cells are to say, its losses by hand, and that it finds what it was shown."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from model_contract import assert_defaults_agree, assert_everything_learns
from sensorium.batches import IGNORED, Boxes
from sensorium.errors import RequestError
from sensorium.models.vision.scene_detector import BOX_WEIGHT, SceneDetector, assign, losses
from sensorium.nn.flops import count_parameters


def boxes_of(*pictures: list[tuple[int, list[float], bool]]) -> Boxes:
    """Class, sides and difficulty of each box of each image, filled up."""
    most = max(1, *map(len, pictures))
    boxes, labels = torch.zeros(len(pictures), most, 4), torch.full((len(pictures), most), IGNORED)
    difficult = torch.zeros(len(pictures), most, dtype=torch.bool)
    for row, picture in enumerate(pictures):
        for place, (label, sides, hard) in enumerate(picture):
            boxes[row, place], labels[row, place], difficult[row, place] = torch.tensor(sides), label, hard
    return Boxes(boxes, labels, difficult)


def detector(**changes: Any) -> SceneDetector:
    torch.manual_seed(0)
    return SceneDetector(**{"in_channels": 1, "num_classes": 3, "width": 8, "blocks": 1} | changes)


def assigned(*pictures: list[tuple[int, list[float], bool]], cells: int = 8) -> Any:
    return assign(boxes_of(*pictures), shape=torch.Size((len(pictures), 3, cells, cells)), stride=4)


def test_the_middle_of_a_box_and_the_cells_around_it() -> None:
    found = assigned([(1, [8, 8, 24, 16], False)], [])
    # Its middle (16, 12) lies in the fifth cell of the fourth row.
    assert found.middles.nonzero().tolist() == [[0, 1, 3, 4]]
    assert found.heat[0, 1, 3, 4] == 1
    # 4 cells wide, 2 high: deviations of (0.54 * 4 + 1) / 6 and (0.54 * 2 + 1) / 6 cells.
    assert found.heat[0, 1, 3, 5].item() == pytest.approx(math.exp(-((6 / 3.16) ** 2) / 2))
    assert found.heat[0, 1, 2, 4].item() == pytest.approx(math.exp(-((6 / 2.08) ** 2) / 2))
    assert found.heat[0, [0, 2]].sum() == found.heat[1].sum() == 0
    assert found.weights[0].sum().item() == pytest.approx(1)
    assert found.weights[0].argmax().item() == 3 * 8 + 4
    assert found.boxes[0, 3, 4].tolist() == [8, 8, 24, 16]


def test_a_cell_of_two_boxes_learns_the_smaller_one_and_both_classes() -> None:
    found = assigned([(0, [10, 10, 22, 22], False), (2, [0, 0, 32, 32], False)])
    assert found.middles.nonzero().tolist() == [[0, 0, 4, 4], [0, 2, 4, 4]]
    assert found.boxes[0, 4, 4].tolist() == [10, 10, 22, 22]
    assert found.boxes[0, 4, 6].tolist() == [0, 0, 32, 32]
    assert found.weights.sum().item() == pytest.approx(2)


def test_a_difficult_box_is_neither_learnt_nor_background() -> None:
    found = assigned([(1, [8, 8, 24, 16], True)])
    assert not found.middles.any()
    assert found.heat[0, 1, 3, 4] == 1
    assert found.weights.sum() == 0
    chance = torch.full((1, 3, 8, 8), 0.5).logit()
    assert losses(chance, torch.zeros(1, 8, 8, 4), found)["heat"] < 192 * 0.25 * math.log(2)


def test_losses_by_hand() -> None:
    even, nothing = torch.zeros(1, 3, 8, 8), torch.zeros(1, 8, 8, 4)
    # Nothing there, and every cell undecided: 192 times 0.5 squared times log 2.
    found = losses(even, nothing, assigned([]))
    assert found["heat"].item() == pytest.approx(192 * 0.25 * math.log(2))
    assert found["sides"] == 0
    # A quarter of the box, inside it: IoU 1/4, and the hull is the box itself.
    targets = assigned([(0, [0, 0, 32, 32], False)])
    quarter = torch.tensor([0.0, 0, 16, 16]).expand(1, 8, 8, 4)
    assert losses(even, quarter, targets)["sides"].item() == pytest.approx(BOX_WEIGHT * 0.75)
    sure = torch.where(targets.middles, 20.0, -20.0)
    assert losses(sure, targets.boxes, targets)["heat"].item() == pytest.approx(0, abs=1e-6)
    assert losses(sure, targets.boxes, targets)["sides"].item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("stride", [4, 8])
def test_pictures_of_any_size_one_by_one_and_together(stride: int) -> None:
    model, images = detector(stride=stride).eval(), torch.randn(3, 1, 37, 50)
    with torch.no_grad():
        assert model.features(images).shape == (3, 16, -(-37 // stride), -(-50 // stride))
        together, alone = model(images), model(images[1:2])
    assert all(len(one["boxes"]) > 0 for one in together)
    for key in ("boxes", "labels", "scores"):
        torch.testing.assert_close(alone[0][key], together[1][key], atol=1e-4, rtol=1e-4)
    boxes, scores = together[1]["boxes"], together[1]["scores"]
    assert (boxes >= 0).all()
    assert (boxes <= torch.tensor([50, 37, 50, 37])).all()
    assert (boxes[:, 2:] > boxes[:, :2]).all()
    assert (scores[1:] <= scores[:-1]).all()
    assert together[1]["labels"].dtype == torch.int64


def squares(count: int) -> tuple[Tensor, Boxes]:
    """A bright square in each dark image but the last: of class 0 or, with a hole, of class 2."""
    images = torch.randn(count, 1, 48, 48, generator=torch.Generator().manual_seed(0)) * 0.1
    pictures: list[list[tuple[int, list[float], bool]]] = []
    for row in range(count - 1):
        left, top, side = 3 + 5 * row, 24 - 3 * row, 12 + 2 * row
        images[row, 0, top : top + side, left : left + side] += 2
        if row % 2:
            images[row, 0, top + 4 : top + side - 4, left + 4 : left + side - 4] -= 2
        pictures.append([(2 * (row % 2), [left, top, left + side, top + side], False)])
    return images, boxes_of(*pictures, [])


def test_it_finds_what_it_was_shown_and_everything_learns() -> None:
    model, (images, targets) = detector(), squares(5)
    # Stem 88; stages 1264, 3680, 14528, 57728; laterals 120 * 16 + 64; three of 9 * 16 * 16 + 32; head 17 * 7.
    assert count_parameters(model) == 86_399
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    for step in range(60):
        parts = model(images, targets)
        assert tuple(parts) == model.loss_names
        optimizer.zero_grad()
        torch.stack(list(parts.values())).sum().backward()
        if step == 3:  # blocks that begin as their shortcut have woken
            assert_everything_learns(model)
        optimizer.step()
    with torch.no_grad():
        found = model.eval()(images)
    for row in range(4):
        assert found[row]["labels"][0] == targets.labels[row, 0]
        assert found[row]["scores"][0] > 0.5
        assert (found[row]["boxes"][0] - targets.boxes[row, 0]).abs().max() < 3
    assert not (found[4]["scores"] > 0.3).any()


def test_half_the_digits_and_the_other_layout() -> None:
    model, (images, targets) = detector().to(memory_format=torch.channels_last), squares(2)
    with torch.autocast("cpu", torch.bfloat16):
        parts = model(images.contiguous(memory_format=torch.channels_last), targets)
        found = model.eval()(images)
    assert {loss.dtype for loss in parts.values()} == {torch.float32}
    assert {found[0][key].dtype for key in ("boxes", "scores")} == {torch.float32}
    nothing = detector()(images, Boxes(torch.zeros(2, 0, 4), torch.zeros(2, 0).long(), torch.zeros(2, 0).bool()))
    assert nothing["sides"] == 0
    assert nothing["heat"].isfinite()


def test_the_yaml_shows_the_defaults_and_a_strange_stride_is_refused() -> None:
    assert_defaults_agree("scene_detector", {"in_channels": 1, "num_classes": 3})
    with pytest.raises(RequestError, match="stride=16 is not possible"):
        detector(stride=16)
