"""The only table of tasks there is: name -> dotted path, imported when asked for.

A task that takes inputs of several modalities has a row for each, "task/modality".
"""

import importlib
from collections.abc import Iterator
from functools import cache
from typing import Any

from sensorium.errors import unknown
from sensorium.tasks.base import Task

TASKS = {
    "image_classification": "sensorium.tasks.image_classification.task.ImageClassification",
    "text_classification": "sensorium.tasks.text_classification.task.TextClassification",
    "audio_classification": "sensorium.tasks.audio_classification.task.AudioClassification",
    "image_tagging": "sensorium.tasks.image_tagging.task.ImageTagging",
    "regression/image": "sensorium.tasks.regression.task.ImageRegression",
    "regression/text": "sensorium.tasks.regression.task.TextRegression",
    "object_detection": "sensorium.tasks.object_detection.task.ObjectDetection",
    "semantic_segmentation": "sensorium.tasks.semantic_segmentation.task.SemanticSegmentation",
    "language_modeling": "sensorium.tasks.language_modeling.task.LanguageModeling",
    "translation": "sensorium.tasks.translation.task.Translation",
    "speech_recognition": "sensorium.tasks.speech_recognition.task.SpeechRecognition",
}


@cache
def get(name: str) -> Task[Any]:
    """The task of this name. Raises RequestError when there is none."""
    if name not in TASKS:
        raise unknown("task", name, TASKS)
    module, _, attribute = TASKS[name].rpartition(".")
    task: Task[Any] = getattr(importlib.import_module(module), attribute)()
    return task


def of(spec: Any) -> Task[Any]:
    """The task that a spec is for."""
    return get(f"{spec.task}/{spec.modality}" if spec.modality else spec.task)


def every() -> Iterator[Task[Any]]:
    """All tasks; imports every one."""
    return (get(name) for name in TASKS)
