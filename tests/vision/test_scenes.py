"""Images with boxes or masks changed together: by hand, and against torchvision's transforms of tv_tensors."""

import pytest
import torch
from torch import nn
from torchvision import tv_tensors
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as published

from sensorium.batches import IGNORED, VOID, Boxes
from sensorium.errors import RequestError
from sensorium.randomness import ExampleRandom
from sensorium.vision.colour import ColourJitter
from sensorium.vision.normalise import Normalise
from sensorium.vision.scenes import SceneAugment, SceneFlip, SceneZoom


def random_of(rows):
    return ExampleRandom(seed=0, epoch=0, indices=torch.as_tensor(rows))


def boxes_of(*lists, label=3):
    """One image for each list of boxes."""
    most = max(len(boxes) for boxes in lists)
    boxes, labels = torch.zeros(len(lists), most, 4), torch.full((len(lists), most), IGNORED)
    for i, given in enumerate(lists):
        boxes[i, : len(given)] = torch.tensor(given)
        labels[i, : len(given)] = label
    return Boxes(boxes, labels, torch.zeros(len(lists), most, dtype=torch.bool))


def zoom(**changes):
    return SceneZoom(**({"scale": (1, 1), "translate": 0, "smallest_share": 0.5, "fill": "black"} | changes))


def amounts(*values):
    return [torch.tensor(value, dtype=torch.float32) for value in values]


def test_boxes_and_masks_flip_with_their_image():
    images = torch.arange(12.0).view(1, 1, 3, 4).expand(400, 1, 3, 4)
    masks = images[:, 0].byte()
    marks = boxes_of(*[[[0.5, 1, 2, 3]]] * 399, [[0.5, 1, 2, 3], [0, 0, 4, 3]])
    flip = SceneFlip(horizontal=True, vertical=True)
    flipped, boxes = flip(images, marks, random_of(range(400)))
    same, moved = flip(images, masks, random_of(range(400)))
    assert torch.equal(same, flipped)
    assert torch.equal(moved, same[:, 0].byte())
    # The first pixel tells how an image was turned.
    expected = {0: [0.5, 1, 2, 3], 3: [2, 1, 3.5, 3], 8: [0.5, 0, 2, 2], 11: [2, 0, 3.5, 2]}
    found = {int(corner): box for corner, box in zip(flipped[:, 0, 0, 0], boxes.boxes[:, 0].tolist(), strict=True)}
    assert found == expected
    assert not boxes.boxes[:399, 1].any()  # where there is no box there is none
    assert torch.equal(boxes.labels, marks.labels)
    unchanged = SceneFlip(horizontal=False, vertical=False)(images, marks, random_of(range(400)))
    assert torch.equal(unchanged[0], images)


@pytest.mark.parametrize(("scale", "right", "down"), [(1.0, 3.0, -2.0), (0.7, 1.37, 4.21), (1.3, -5.53, 2.37)])
@pytest.mark.parametrize("fill", ["black", "mean"])
def test_zoom_equals_torchvision(scale, right, down, fill):
    generator = torch.Generator().manual_seed(1)
    images = torch.rand(2, 3, 20, 30, generator=generator)
    masks = torch.randint(0, 5, (2, 20, 30), generator=generator, dtype=torch.uint8)
    marks = boxes_of([[4, 5, 20, 12], [25, 15, 30, 20]], [[0, 0, 9, 9]])
    how = {"angle": 0.0, "translate": [right, down], "scale": scale, "shear": [0.0, 0.0]}
    module, given = zoom(fill=fill, smallest_share=0), amounts([scale] * 2, [right] * 2, [down] * 2)
    pictures, boxes = module.zoomed(images, marks, *given)
    _, moved = module.zoomed(images, masks, *given)
    for i, image in enumerate(images):
        # With its own `fill` torchvision darkens the border: there it weighs the image by its cover twice.
        colour = image.mean((1, 2), keepdim=True) if fill == "mean" else 0.0
        theirs = published.affine(image - colour, **how, interpolation=InterpolationMode.BILINEAR) + colour
        torch.testing.assert_close(pictures[i], theirs, atol=1e-5, rtol=0)
        theirs = published.affine(tv_tensors.Mask(masks[i]), **how, fill=VOID)
        assert torch.equal(moved[i], theirs.as_subclass(torch.Tensor))
        there = marks.labels[i] != IGNORED
        theirs = tv_tensors.BoundingBoxes(marks.boxes[i][there], format="XYXY", canvas_size=(20, 30))
        theirs = published.affine(theirs, **how).as_subclass(torch.Tensor)
        kept = boxes.labels[i][there] != IGNORED
        torch.testing.assert_close(boxes.boxes[i][there][kept], theirs[kept])


def test_what_is_left_of_a_box():
    # Images of 20 x 20 moved right by 10: of boxes 10 wide, all, 60%, 40%, 2 pixels and nothing are left.
    lefts = [0, 4, 6, 8, 10]
    marks = boxes_of([[left, 0, left + 10, 10] for left in lefts])
    marks = marks._replace(difficult=torch.tensor([[True, False, True, False, False]]))
    images, given = torch.zeros(1, 1, 20, 20), amounts([1.0], [10.0], [0.0])
    _, boxes = zoom().zoomed(images, marks, *given)
    assert boxes.labels.tolist() == [[3, 3, IGNORED, IGNORED, IGNORED]]
    assert boxes.boxes[0, :3].tolist() == [[10, 0, 20, 10], [14, 0, 20, 10], [0, 0, 0, 0]]
    assert boxes.difficult.tolist() == [[True, False, False, False, False]]
    _, boxes = zoom(smallest_share=0).zoomed(images, marks, *given)
    assert boxes.labels.tolist() == [[3, 3, 3, 3, IGNORED]]  # nothing is less than two pixels
    _, boxes = zoom(smallest_share=1).zoomed(images, marks, *given)
    assert boxes.labels.tolist() == [[3, IGNORED, IGNORED, IGNORED, IGNORED]]
    small = boxes_of([[2, 2, 5, 5], [2, 2, 4, 4]])
    _, boxes = zoom().zoomed(images, small, *amounts([0.7], [0.0], [0.0]))
    assert boxes.labels.tolist() == [[3, IGNORED]]  # 2.1 and 1.4 pixels


def test_amounts_are_drawn_evenly():
    masks = torch.zeros(2000, 40, 40, dtype=torch.uint8)
    _, moved = zoom(scale=(0.5, 0.5), translate=0.25)(torch.zeros(2000, 1, 40, 40), masks, random_of(range(2000)))
    seen = moved != VOID
    assert seen.sum((1, 2)).float().mean() == pytest.approx(400, abs=25)  # half of each side, moved by 10 at most
    lefts = seen.any(1).float().argmax(1)
    assert (int(lefts.min()), int(lefts.max())) == (0, 20)
    assert lefts.float().mean() == pytest.approx(10, abs=0.5)
    _, moved = zoom(scale=(0.25, 1))(torch.zeros(2000, 1, 40, 40), masks, random_of(range(2000)))
    sides = (moved != VOID).any(1).sum(1).float()
    assert sides.median() == pytest.approx(20, abs=1)  # halfway from a quarter to one


def test_an_example_is_the_same_in_any_batch():
    images = torch.rand(6, 3, 16, 24, generator=torch.Generator().manual_seed(2))
    marks = boxes_of(*[[[2, 3, 12, 14]]] * 5, [[2, 3, 12, 14], [1, 1, 20, 9]])
    masks = (images[:, 0] * 9).byte()
    colour = ColourJitter(brightness=0.4, contrast=0.4, saturation=0.4, hue=0)
    mirror = SceneFlip(horizontal=True, vertical=True)
    augment = SceneAugment(
        transforms={"flip": mirror, "zoom": zoom(scale=(0.5, 2), translate=0.2, fill="mean"), "colour": colour}
    )
    prepare = Normalise(mean=[0.5] * 3, std=[0.5] * 3)
    (together,), boxes = augment.prepared((images,), marks, random_of(range(6)), prepare)
    _, changed = augment.prepared((images,), masks, random_of(range(6)), prepare)
    for row in range(6):
        one = Boxes(*(values[row : row + 1] for values in marks))
        (alone,), box = augment.prepared((images[row : row + 1],), one, random_of([row]), prepare)
        assert torch.equal(alone[0], together[row])
        assert all(torch.equal(few[0], many[row]) for few, many in zip(box, boxes, strict=True))
        _, mask = augment.prepared((images[row : row + 1],), masks[row : row + 1], random_of([row]), prepare)
        assert torch.equal(mask[0], changed[row])
    assert together.min() < -0.5
    assert changed.dtype == torch.uint8


def test_nothing_to_change():
    augment = SceneAugment(transforms={"flip": None})
    assert (augment.active, augment.takes) == (False, "images with boxes or masks")
    stored = torch.full((1, 1, 2, 2), 255, dtype=torch.uint8)
    images, masks = augment(stored, stored[0], random_of([0]))
    assert torch.equal(images, torch.ones(1, 1, 2, 2))
    assert torch.equal(masks, stored[0])
    assert SceneAugment(transforms={"colour": nn.Identity()}).active


def test_settings_are_checked():
    with pytest.raises(RequestError, match="no fill 'white'"):
        zoom(fill="white")
    with pytest.raises(RequestError, match="scale is"):
        zoom(scale=(2, 1))
    with pytest.raises(RequestError, match="smallest_share is 2"):
        zoom(smallest_share=2)
