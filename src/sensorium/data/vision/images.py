"""Data of images: with a class, tags, numbers, boxes or a mask each."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sensorium.data.base import Data, OnBad
from sensorium.data.pipeline import Targets, prepare
from sensorium.data.targets.classes import ClassTargets
from sensorium.data.targets.numbers import NumberTargets
from sensorium.data.targets.tags import TagTargets
from sensorium.data.vision.box_targets import BoxTargets
from sensorium.data.vision.image_settings import ImageFileSettings
from sensorium.data.vision.inputs import ImageInputs, SceneInputs
from sensorium.data.vision.listing import ImageListing
from sensorium.data.vision.mask_targets import MaskTargets
from sensorium.data.vision.scenes import DetectionSplit, MaskSplit
from sensorium.data.vision.splits import ImageRegressionSplit, ImageSplit, TagSplit
from sensorium.specs import (
    ImageClassificationSpec,
    ImageRegressionSpec,
    ImageTaggingSpec,
    ObjectDetectionSpec,
    SemanticSegmentationSpec,
)
from sensorium.vision.masks import MaskCode


def image_classes(
    found: ImageListing, settings: ImageFileSettings, *, on_bad: OnBad, class_names: Sequence[str] | None = None
) -> Data:
    """Data for image classification; targets are class names. class_names: in their order, where known."""
    return _prepared(
        found,
        ImageInputs(found, settings),
        ClassTargets(found, class_names=class_names),
        spec=ImageClassificationSpec,
        split=ImageSplit,
        settings=settings,
        on_bad=on_bad,
    )


def image_tags(
    found: ImageListing, settings: ImageFileSettings, *, on_bad: OnBad, class_names: Sequence[str] | None = None
) -> Data:
    """Data for image tagging; targets are tuples of tags. class_names: the tags there are, where the source says."""
    return _prepared(
        found,
        ImageInputs(found, settings),
        TagTargets(found, class_names=class_names),
        spec=ImageTaggingSpec,
        split=TagSplit,
        settings=settings,
        on_bad=on_bad,
    )


def image_numbers(found: ImageListing, settings: ImageFileSettings, names: Sequence[str], *, on_bad: OnBad) -> Data:
    """Data for regression of images; targets are tuples of numbers. names: of the numbers."""
    return _prepared(
        found,
        ImageInputs(found, settings),
        NumberTargets(found, names),
        spec=ImageRegressionSpec,
        split=ImageRegressionSplit,
        settings=settings,
        on_bad=on_bad,
    )


def image_boxes(
    found: ImageListing,
    settings: ImageFileSettings,
    *,
    on_bad: OnBad,
    class_names: Sequence[str] | None,
    category_ids: tuple[int | str, ...] = (),
) -> Data:
    """Data for object detection; targets are `Annotation`s. class_names: in order, where the annotations give them.

    category_ids: what the source calls the classes.
    """
    return _prepared(
        found,
        SceneInputs(found, settings),
        BoxTargets(found, class_names=class_names, on_bad=on_bad, category_ids=category_ids),
        spec=ObjectDetectionSpec,
        split=DetectionSplit,
        settings=settings,
        on_bad=on_bad,
    )


def image_masks(
    found: ImageListing,
    settings: ImageFileSettings,
    code: MaskCode,
    *,
    on_bad: OnBad,
    class_names: Sequence[str] | None,
) -> Data:
    """Data for semantic segmentation; targets are paths of mask files. class_names: as in `MaskTargets`."""
    return _prepared(
        found,
        SceneInputs(found, settings),
        MaskTargets(found, code, class_names=class_names),
        spec=SemanticSegmentationSpec,
        split=MaskSplit,
        settings=settings,
        on_bad=on_bad,
    )


def _prepared(found: ImageListing, inputs: ImageInputs, targets: Targets, **others: Any) -> Data:
    """`prepare`, with the notes on how the images were read among the rest."""
    return replace(prepare(found, inputs, targets, **others), reading=tuple(inputs.reading))
