"""Where the truth is drawn: a map of a box is strongest inside that box (the pointing game, J. Zhang et al., "Top-down
neural attention by excitation backprop", 2016, arXiv 1608.00507).
"""

import json

import numpy as np
import pytest

from command import run_command

TRAINING = ("experiment=digit_scenes_detector", "trainer.max_epochs=8", "dataset.num_train=600", "test=false")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_maps_of_boxes_point_into_them(tmp_path):
    assert run_command(["train", *TRAINING, "threads=1", "accelerator=cpu"], tmp_path).status == 0
    (checkpoint,) = tmp_path.rglob("best.ckpt")
    rows = ",".join(map(str, range(12)))
    given = ["method=occlusion", "random_maps=0", "accelerator=cpu", "format=jsonl", f"row={rows}"]
    found = run_command(["explain", f"ckpt={checkpoint}", *given], tmp_path)
    boxes = [one for line in found.stdout.splitlines() for one in json.loads(line)["targets"]]
    assert len(boxes) >= 15
    inside = 0
    for one in boxes:
        attribution = np.array(one["attribution"])
        strongest = np.argwhere(attribution == attribution.max()).mean(axis=0) + 0.5  # the middle of the cell
        left, top, right, bottom = one["box"]
        inside += top <= strongest[0] <= bottom and left <= strongest[1] <= right
    assert inside >= 0.95 * len(boxes)
