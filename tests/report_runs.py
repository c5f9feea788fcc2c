"""Run folders for tests of reports, written without any training."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from sensorium.report_sections import (
    Chart,
    ExampleScores,
    Gallery,
    Passage,
    ReportExample,
    Section,
    Series,
    Table,
    Texts,
)
from sensorium.reports import store
from sensorium.run_folder import RunFolder
from sensorium.tasks.classification.evaluate import ClassificationEvaluation
from sensorium.tasks.classification.sections import classification_sections
from sensorium.tasks.report_media import image_uri

HOSTILE = "<script>alert('x')</script> \"&quot;\" ${7*7} {{7*7}}"
NAMES = ("cat", HOSTILE, "dog")


def evaluation(examples: int = 90, *, seed: int = 0) -> ClassificationEvaluation:
    """Of three classes in turn, of which two thirds are found."""
    random = np.random.default_rng(seed)
    labels = np.arange(examples) % 3
    found = np.where(random.random(examples) < 0.67, labels, (labels + 1) % 3)
    logits = torch.from_numpy(random.random((examples, 3)) + 3.0 * (found[:, None] == np.arange(3)))
    return ClassificationEvaluation(logits.float().softmax(1), torch.from_numpy(labels), 1.0)


def sections(found: ClassificationEvaluation) -> list[Section]:
    """Those of an image classifier whose class and file names are hostile."""

    def looks(rows: np.ndarray) -> list[dict[str, Any]]:
        return [{"image": image_uri(np.full((1, 8, 8), row % 256, dtype=np.uint8))} for row in rows]

    names = [f"{row}{HOSTILE}.png" for row in range(len(found.labels))]
    return classification_sections(found, class_names=NAMES, names=names, looks=looks)


def every_kind() -> list[Section]:
    """A section of each kind that classification has not."""
    passage = Passage(label="reference", pieces=[("good", ""), (HOSTILE, "wrong")])
    scatter = Series(name="a", kind="points", points=[[0, 1], [2, 3]])
    return [
        Table(title="Targets", columns=["target", "MAE"], rows=[["size", 0.25], ["angle", None]]),
        Chart(title="Scatter", series=[scatter], x_label="x", y_label="y"),
        Gallery(title="Transcripts", examples=[ReportExample(name="a.wav", passages=[passage])], total=1),
        Texts(title="Samples", items=[("epoch 1", HOSTILE)]),
    ]  # fmt: skip


def write_run(folder: Path, *, seed: int = 0, lr: float = 0.1, stored: bool = True, accuracy: float = 0.5) -> RunFolder:
    """A run with all files, or without report.json."""
    run = RunFolder(folder)
    folder.mkdir(parents=True)
    config = {"dataset_name": "pets", "model_name": "lenet", "seed": seed, "optimizer": {"lr": lr}}
    run.config.write_text(yaml.safe_dump(config))
    (folder / "command.txt").write_text("sensorium train dataset=pets 'model.name=<b>'\n")
    (folder / "environment.json").write_text(json.dumps({"sensorium": "0.1.0", "packages": {"torch": "2.11"}}))
    run.history.write_text("epoch,train/loss,val/accuracy,val/loss,lr\n1,2.0,0.3,1.9,0.1\n2,1.0,,nan,0.05\n")
    run.metrics.write_text(json.dumps({"test/accuracy": accuracy, "test/loss": 1.5, "val/calibrated_error": 0.77}))
    summary = {"monitor": "val/accuracy", "mode": "max", "best": 0.3, "best_epoch": 1, "epochs": 2}
    run.summary.write_text(json.dumps(summary | {"headline": "test/accuracy", "parameters": 1234, "seconds": 75.0}))
    if stored:
        found = evaluation(seed=seed)
        right = (found.probabilities.argmax(1) == found.labels).double().tolist()
        store.write(
            folder,
            store.Stored(
                task="image classification",
                spec="images of 8x8",
                splits={"train": 90, "val": 9, "test": 90},
                classes={name: dict.fromkeys(NAMES, 30) for name in ("train", "val", "test")},
                sections=[*sections(found), *every_kind()],
                headline={"name": "accuracy", "value": accuracy, "low": 0.4, "high": 0.6},
                intervals={"accuracy": (0.1, 0.9), "loss": (1.25, 1.75)},
                scores=ExampleScores(name="accuracy", values=right, of=["digest"]),
                epochs=[[1.5, 60.0, "samples"], [0.5, 180.0, "samples"]],
            ),
        )
    return run
