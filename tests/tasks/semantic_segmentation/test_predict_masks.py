"""Raw images to masks: at the images' own size, VOID where the model does not look."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from sensorium.batches import VOID
from sensorium.specs import Resize, SemanticSegmentationSpec
from sensorium.tasks.base import LoadedModel, PredictOptions
from sensorium.tasks.semantic_segmentation.predict import SegmentationPredictor, class_shares


class Bright(nn.Module):
    """The class is the brightness."""

    def forward(self, images: Tensor) -> Tensor:
        return torch.cat([0.5 - images, images - 0.5], dim=1)


def predictor_of(resize: Resize, *, batch_size: int = 64) -> SegmentationPredictor:
    spec = SemanticSegmentationSpec(
        class_names=("dark", "bright"),
        in_channels=1,
        image_size=(8, 8),
        mean=(0.0,),
        std=(1.0,),
        palette=(0, 0, 0, 9, 9, 9),
        resize=resize,
    )
    model = LoadedModel(spec, Bright(), torch.device("cpu"), "32-true", "contiguous", {})
    return SegmentationPredictor(model, PredictOptions(batch_size=batch_size))


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """16 rows and 32 columns, the right half bright."""
    pixels = np.zeros((16, 32), dtype=np.uint8)
    pixels[:, 16:] = 255
    Image.fromarray(pixels).save(tmp_path / "half.png")
    return tmp_path / "half.png"


@pytest.mark.parametrize("resize", ["stretch", "pad"])
def test_the_mask_is_as_large_as_the_picture(picture: Path, resize: Resize) -> None:
    (answer,) = predictor_of(resize).predict([picture])
    assert np.array_equal(answer.mask, np.repeat([[0] * 16 + [1] * 16], 16, axis=0))
    assert answer.shares == (("dark", 0.5), ("bright", 0.5))


def test_what_a_crop_cuts_is_void(picture: Path) -> None:
    (answer,) = predictor_of("crop").predict([picture])
    assert answer.mask[0].tolist() == [VOID] * 8 + [0] * 8 + [1] * 8 + [VOID] * 8
    assert answer.shares == (("dark", 0.5), ("bright", 0.5))


def test_answers_come_in_order_with_what_cannot_be_read(picture: Path, tmp_path: Path) -> None:
    Image.new("L", (5, 3), 255).save(tmp_path / "bright.png")
    (tmp_path / "broken.png").write_bytes(b"no image")
    paths = [picture, tmp_path / "broken.png", tmp_path / "bright.png", tmp_path / "missing.png"]
    answers = list(predictor_of("stretch", batch_size=2).predict(iter(paths)))
    assert [answer.input for answer in answers] == [str(path) for path in paths]
    assert answers[1].mask is None
    assert "broken.png: not a readable image" in str(answers[1].error)
    assert answers[2].mask.shape == (3, 5)
    assert answers[2].shares == (("bright", 1.0),)
    assert answers[3].error == f"{paths[3]}: not a readable image (no such file or directory)"


def test_shares_leave_void_out() -> None:
    mask = np.array([[0, 2, 2, VOID]], dtype=np.uint8)
    assert class_shares(mask, ("a", "b", "c")) == (("c", 2 / 3), ("a", 1 / 3))
    assert class_shares(np.full((2, 2), VOID, dtype=np.uint8), ("a", "b")) == ()


def test_an_image_whose_logits_are_not_numbers_has_no_mask(picture: Path, tmp_path: Path) -> None:
    """Logits of the brightest image of the batch alone overflow."""

    class Overflowing(Bright):
        def forward(self, images: Tensor) -> Tensor:
            return super().forward(images) * torch.where(images.amin(dim=(1, 2, 3), keepdim=True) > 0.5, torch.inf, 1.0)

    Image.fromarray(np.full((8, 8), 255, dtype=np.uint8)).save(tmp_path / "white.png")
    predictor = predictor_of("stretch")
    predictor.segmenter.model = Overflowing()
    half, white = predictor.predict([picture, tmp_path / "white.png"])
    assert (half.error, white.mask) == (None, None)
    assert str(white.error).startswith(f"{tmp_path / 'white.png'}: the model's output is not a number")
