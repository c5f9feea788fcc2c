"""Parts with boxes and with masks: what a batch holds, and what a part of a part is."""

import numpy as np
import pytest

from sensorium.batches import IGNORED, VOID
from sensorium.data.order import BatchPlan
from sensorium.data.vision.inputs import scene_size
from sensorium.data.vision.scenes import ArrayMasks, DetectionSplit, MaskSplit
from sensorium.data.vision.store import ArrayStore

PIXELS = np.arange(3 * 4 * 8, dtype=np.uint8).reshape(3, 1, 4, 8)


def store(resize, image_size):
    return ArrayStore(PIXELS, image_size=image_size, channels="auto", resize=resize)


def detection(resize="stretch", image_size=(8, 8)):
    boxes = [[[0, 0, 8, 4], [1, 1, 2, 2]], [], [[0, 0, 2, 4]]]
    return DetectionSplit(
        images=store(resize, image_size),
        names=["a", "b", "c"],
        sizes=np.full((3, 2), (4, 8)),
        boxes=[np.array(of, dtype=np.float32).reshape(-1, 4) for of in boxes],
        labels=[np.array([1, 0]), np.zeros(0, dtype=np.int64), np.array([2])],
        difficult=[np.array([False, True]), np.zeros(0, dtype=bool), np.array([False])],
        image_ids=[7, 8, 9],
        category_ids=(1, 2, 3),
        resize=resize,
    )


def test_boxes_are_fitted_like_their_pictures_and_filled_up():
    batch = detection().read(np.array([2, 1, 0]))
    assert batch.images.shape == (3, 1, 8, 8)
    assert batch.boxes.tolist() == [[[0, 0, 2, 8], [0] * 4], [[0] * 4] * 2, [[0, 0, 8, 8], [1, 2, 2, 4]]]
    assert batch.labels.tolist() == [[2, IGNORED], [IGNORED] * 2, [1, 0]]
    assert batch.difficult.tolist() == [[False] * 2, [False] * 2, [False, True]]
    assert batch.indices.tolist() == [2, 1, 0]
    assert batch.targets.boxes is batch.boxes
    assert [str(tensor.dtype) for tensor in batch[1:]] == ["torch.float32", "torch.int64", "torch.bool", "torch.int64"]


def test_pictures_without_boxes_have_room_for_one():
    batch = detection().read(np.array([1]))
    assert (batch.boxes.shape, batch.labels.tolist()) == ((1, 1, 4), [[IGNORED]])


def test_a_box_that_a_crop_cuts_off_does_not_count():
    # Two pixels are cut on either side.
    batch = detection(resize="crop", image_size=(4, 4)).read(np.arange(3))
    assert batch.boxes[0, 0].tolist() == [0, 0, 4, 4]
    assert batch.labels.tolist() == [[1, IGNORED], [IGNORED] * 2, [IGNORED] * 2]
    assert not batch.difficult.any()


def test_parts_of_a_part_with_boxes():
    split = detection()
    few = split.subset(np.array([2, 0]))
    assert (len(few), few.names, [labels.tolist() for labels in few.labels]) == (2, ["c", "a"], [[2], [1, 0]])
    both = few.joined([split])
    assert both.names == ["c", "a", "a", "b", "c"]
    assert both.sizes.shape == (5, 2)
    batch, again = both.read(np.array([1, 3])), split.read(np.array([0, 1]))
    assert all(np.array_equal(one, other) for one, other in zip(batch[:4], again[:4], strict=True))
    assert [rows.tolist() for rows in split.order(BatchPlan(size=2, shuffle=False, seed=0)).batches()] == [[0, 1], [2]]


def masked(resize="stretch", image_size=(4, 8)):
    return MaskSplit(
        images=store(resize, image_size),
        names=["a", "b", "c"],
        sizes=np.full((3, 2), (4, 8)),
        masks=ArrayMasks(PIXELS[:, 0]),
        resize=resize,
    )


def test_masks_are_fitted_like_their_pictures():
    batch = masked().read(np.array([1, 0]))
    assert np.array_equal(batch.masks, batch.images[:, 0])
    assert batch.indices.tolist() == [1, 0]
    padded = masked("pad", (8, 8)).read(np.array([2]))
    assert (padded.masks[0, [0, 1, 6, 7]] == VOID).all()
    assert np.array_equal(padded.masks[0, 2:6], PIXELS[2, 0])
    assert [mask.shape for mask in masked("pad", (8, 8)).read_masks(np.array([2, 1]))] == [(4, 8)] * 2


def test_parts_of_a_part_with_masks():
    few = masked().subset(np.array([2, 0]))
    both = few.subset(np.array([1])).joined([few])
    assert both.names == ["a", "c", "a"]
    batch = both.read(np.arange(3))
    assert np.array_equal(batch.masks, PIXELS[[0, 2, 0], 0])
    assert np.array_equal(batch.images[:, 0], batch.masks)
    assert len(list(both.order(BatchPlan(size=2, shuffle=True, seed=0)).batches())) == 2


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([(180, 240), (180, 240)], (180, 240)),
        ([(480, 640), (480, 640)], (384, 512)),
        ([(300, 500), (375, 500), (310, 400)], (288, 480)),
        ([(20, 3000)], (32, 512)),
    ],
)
def test_the_size_that_is_chosen(sizes, expected):
    assert scene_size(np.array(sizes))[0] == expected
