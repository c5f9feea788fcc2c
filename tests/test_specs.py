"""What the data told us, as a checkpoint stores it."""

import json

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sensorium.specs import (
    ImageClassificationSpec,
    ImageRegressionSpec,
    ImageTaggingSpec,
    ObjectDetectionSpec,
    SemanticSegmentationSpec,
    TextRegressionSpec,
    spec_from_dict,
)
from sensorium.tasks import registry

numbers = st.floats(0, 1, allow_nan=False)


@given(
    names=st.lists(st.text(), min_size=2, max_size=5, unique=True),
    size=st.tuples(st.integers(1, 999), st.integers(1, 999)),
    mean=st.lists(numbers, min_size=1, max_size=3),
    resize=st.sampled_from(["crop", "stretch", "pad"]),
)
def test_it_survives_a_checkpoint(names: list[str], size: tuple[int, int], mean: list[float], resize: str) -> None:
    spec = ImageClassificationSpec(
        class_names=tuple(names),
        in_channels=len(mean),
        image_size=size,
        mean=tuple(mean),
        std=tuple(mean),
        resize=resize,
    )
    plain = spec.to_dict()
    assert spec_from_dict(plain) == spec
    assert spec_from_dict(json.loads(json.dumps(plain))) == spec  # plain types only
    assert spec.num_classes == len(names)


def test_unknown_keys_are_refused() -> None:
    spec = ImageClassificationSpec(class_names=("a", "b"), in_channels=1, image_size=(2, 3), mean=(0.5,), std=(0.1,))
    assert spec.resize == "crop"
    with pytest.raises(TypeError, match="colour"):
        spec_from_dict(spec.to_dict() | {"colour": True})
    values = spec.to_dict()
    del values["mean"]
    with pytest.raises(TypeError, match="mean"):
        spec_from_dict(values)


def test_tags_are_logits_of_one_row() -> None:
    spec = ImageTaggingSpec(
        class_names=("cat", "dog"), in_channels=3, image_size=(4, 6), mean=(0.5,) * 3, std=(0.2,) * 3
    )
    assert spec_from_dict(json.loads(json.dumps(spec.to_dict()))) == spec
    assert (spec.task, spec.offers["num_classes"]) == ("image_tagging", 2)
    assert str(spec) == "images of 4x6 with 3 channels, 2 tags"
    assert spec.fault(torch.zeros(1, 2)) is None
    assert spec.fault(torch.zeros(1, 3)) == "gives (1, 3) for one image, not (1, 2)"


def test_regression_of_images_and_of_texts_are_told_apart() -> None:
    targets = {"target_names": ("age", "height"), "target_mean": (30.5, 1.7), "target_std": (10.0, 0.2)}
    images = ImageRegressionSpec(**targets, in_channels=3, image_size=(4, 6), mean=(0.5,) * 3, std=(0.2,) * 3)
    texts = TextRegressionSpec(**targets, tokenizer={"kind": "char"}, vocab_size=9, pad_id=0, max_length=5)
    for spec in (images, texts):
        assert spec.task == "regression"
        assert spec.offers["num_classes"] == 2
        assert spec_from_dict(json.loads(json.dumps(spec.to_dict()))) == spec
        assert spec.fault(torch.zeros(1, 2)) is None
        assert str(spec).endswith(", 2 numbers each")
    assert (images.to_dict()["modality"], texts.to_dict()["modality"]) == ("image", "text")
    assert [registry.of(spec).input_keys for spec in (images, texts)] == [("input",), ("input", "text")]


def test_what_detection_and_segmentation_say_of_their_data() -> None:
    shape = {"in_channels": 3, "image_size": (4, 6), "mean": (0.5,) * 3, "std": (0.5,) * 3}
    boxes = ObjectDetectionSpec(class_names=("cell",), **shape)
    masks = SemanticSegmentationSpec(class_names=("sky", "road"), palette=(0,) * 6, **shape)
    assert str(boxes) == "images of 4x6 with 3 channels and bounding boxes, 1 class"
    assert str(masks) == "images of 4x6 with 3 channels and masks, 2 classes"
