"""What older checkpoints and runs call things, in today's words."""

from typing import Any

# Until format 2.
TASK_OF_KIND = {
    "image": "image_classification",
    "boxes": "object_detection",
    "masks": "semantic_segmentation",
    "text": "text_classification",
    "language": "language_modeling",
    "translation": "translation",
    "sound": "audio_classification",
    "speech": "speech_recognition",
}
_MOVED_TARGETS = {"sensorium.audio.augment.SoundAugment": "sensorium.audio.augment.AudioAugment"} | {
    f"sensorium.tasks.{old}": f"sensorium.tasks.{new}"
    for old, new in (
        ("classification.ClassificationTask", "classification.module.ClassificationModule"),
        ("detection.Detection", "object_detection.module.DetectionModule"),
        ("segmentation.Segmentation", "semantic_segmentation.module.SegmentationModule"),
        ("language_modelling.LanguageModelling", "language_modeling.module.LanguageModelingModule"),
        ("translation.Translation", "translation.module.TranslationModule"),
        ("recognition.Recognition", "speech_recognition.module.SpeechRecognitionModule"),
        ("semi_supervised.PseudoLabel", "learning.semi_supervised.PseudoLabel"),
        ("semi_supervised.FixMatch", "learning.semi_supervised.FixMatch"),
        ("semi_supervised.MeanTeacher", "learning.semi_supervised.MeanTeacher"),
        ("simclr.SimCLR", "learning.simclr.SimCLR"),
    )
}
# Keys that datasets have taken since; each means what was done without it.
_CONFLICT: dict[str, Any] = {"on_conflict": "drop"}
_IMAGES: dict[str, Any] = {"pixel_range": None}
_TEXT_TABLE: dict[str, Any] = {"on_conflict": "drop", "text_separator": " | "}
_ADDED_KEYS: dict[str, dict[str, Any]] = {
    f"sensorium.data.{target}": added
    for target, added in {
        "text.text_csv.TextCsv": _TEXT_TABLE,
        "text.text_folder.TextFolder": _CONFLICT,
        "text.text_regression_csv.TextRegressionCsv": _TEXT_TABLE,
        "text.parallel_tsv.ParallelTsv": {"header": False},
        "audio.speech_folder.SpeechFolder": _CONFLICT,
        "audio.speech_manifest.SpeechManifest": {"duration_column": None, "audio_root": None},
        "vision.image_folder.ImageFolder": _IMAGES | _CONFLICT,
        "vision.image_csv.ImageCsv": _IMAGES | _CONFLICT | {"encoding": None},
        "vision.image_tagging_csv.ImageTaggingCsv": _IMAGES | _CONFLICT,
        "vision.image_regression_csv.ImageRegressionCsv": _IMAGES | _CONFLICT,
        "vision.coco.Coco": _IMAGES,
        "vision.voc.Voc": _IMAGES,
        "vision.yolo.Yolo": _IMAGES,
        "vision.voc_segmentation.VocSegmentation": _IMAGES,
        "vision.segmentation_folder.SegmentationFolder": _IMAGES,
    }.items()
}


# Keys of models that have another name since format 4.
_RENAMED_KEYS = {"mirrored": "flip_tta"}


def migrated_config(config: dict[str, Any]) -> dict[str, Any]:
    """A config of any format with today's dotted paths and keys; the same for a run's config.yaml."""
    return {key: _brought_up_to_date(value) for key, value in config.items()}


def _brought_up_to_date(value: Any) -> Any:
    if isinstance(value, dict):
        found = {key: _brought_up_to_date(inner) for key, inner in value.items()}
        target = found.get("_target_")
        if isinstance(target, str):
            target = _MOVED_TARGETS.get(target, target)
            found = {_RENAMED_KEYS.get(key, key): inner for key, inner in found.items()}
            return {**_ADDED_KEYS.get(target, {}), **found, "_target_": target}
        return found
    return [_brought_up_to_date(inner) for inner in value] if isinstance(value, list) else value
