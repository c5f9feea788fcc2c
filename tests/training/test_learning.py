"""The group `learning`: what it makes of data and task, for images, texts and sounds, and what it refuses."""

import csv
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from sensorium import checkpoint
from sensorium.batches import IGNORED
from sensorium.build import make_loader, model_of
from sensorium.data.base import Data
from sensorium.errors import RequestError
from sensorium.run_config import RunConfig
from sensorium.tasks import registry
from sensorium.tasks.classification.module import ClassificationModule
from sensorium.tasks.learning.semi_supervised import FixMatch, SemiSupervised
from sensorium.tasks.learning.simclr import SimCLR
from sensorium.tasks.training_module import TaskModule
from sensorium.training import fit, learning, settings
from trainings import SHORT, TINY, TINY_TEXTS, config_of, data_of, model_for, opened, trained

FEW = ("labels_per_class=2", "epoch_batches=3", "trainer.limit_train_batches=null", "batch_size=8")


def ready(*overrides: str, model: tuple[str, ...] = TINY[:3]) -> tuple[RunConfig, Data, TaskModule]:
    config = config_of(*model, *SHORT, *overrides)
    data = learning.with_labels(config, data_of(config))
    built = model_for(config, data.spec)
    config = settings.resolve(config, data=data, model=built, say=print)
    return config, data, fit.build_task(config, built, data)


def test_supervised_learning_is_the_dataset_s_own_task() -> None:
    _, data, task = ready()
    assert type(task) is ClassificationModule
    assert not task.repeats
    assert len(data.train) == 1295
    _, data, task = ready(*FEW)
    assert len(data.train) == 20
    assert task.repeats  # each comes more than once in an epoch
    assert "2 per class (labels_seed 0); 1,275 others not used" in data.notes[-1]


def test_labels_follow_the_seed_unless_told_otherwise() -> None:
    def names(*overrides: str) -> list[str]:
        return list(ready(*FEW, *overrides)[1].train.names)

    assert names("seed=1") != names("seed=2")
    assert names("seed=1", "labels_seed=0") == names("seed=2", "labels_seed=0") == names()


def test_a_batch_of_fixmatch_begins_with_labels() -> None:
    config, data, task = ready(*FEW, "learning=fixmatch")
    assert isinstance(task, SemiSupervised)
    assert isinstance(task.method, FixMatch)
    batches = list(make_loader(config, data.train, shuffle=True, device=torch.device("cpu")))
    assert len(batches) == 3
    for batch in batches:
        assert len(batch.labels) == 32
        assert (batch.labels[:8] != IGNORED).all()
        assert (batch.labels[8:] == IGNORED).sum() > 12
    evaluation = make_loader(config, data.val, shuffle=False, device=torch.device("cpu"))
    assert sum(len(batch.labels) for batch in evaluation) == len(data.val) == 143


def test_the_strong_view_is_the_weak_one_and_more() -> None:
    config, _, task = ready("learning=fixmatch", "augment=flip_crop")
    assert isinstance(task, SemiSupervised)
    assert (
        config.to_dict()["learning"]["strong"] == registry.get("image_classification").strong_view
    )  # nothing auto is left
    names = [type(transform).__name__ for transform in task.method.strong.augment.transforms.values()]  # type: ignore[attr-defined]
    assert names == ["RandomCrop", "RandomFlip", "RandAugment", "Cutout"]
    chosen = ready("learning=fixmatch", "augment=none", "+augment@learning.strong=cutout")[2].method.strong.augment  # type: ignore[union-attr]
    assert [type(transform).__name__ for transform in chosen.transforms.values()] == [  # type: ignore[union-attr]
        "RandomCrop",
        "RandomFlip",
        "Cutout",
    ]


def test_what_is_kept_beside_the_model_is_no_weight_of_it(tmp_path: Path) -> None:
    run = trained(tmp_path, *TINY, *FEW, "learning=fixmatch", "learning.align=true")
    assert "method.shares" in opened(run.last)["state_dict"]
    loaded = checkpoint.read(run.best)
    assert set(loaded.weights) == set(model_of(loaded, trust=False).state_dict())


def test_class_weights_count_labels_that_are_there() -> None:
    for choice in ("supervised", "fixmatch"):
        _, data, _ = ready(*FEW, f"learning={choice}")
        weights = fit.class_weights("balanced", data)
        assert weights.tolist() == [1.0] * 10


def test_simclr_judges_features_by_labelled_examples_alone() -> None:
    _, _, task = ready(*FEW, "learning=simclr")
    assert isinstance(task, SimCLR)
    (batch,) = task.reference()
    assert torch.bincount(batch.labels).tolist() == [2] * 10


def test_a_checkpoint_without_classes_says_what_to_do(tmp_path: Path) -> None:
    run = trained(tmp_path, *TINY, *FEW, "learning=simclr", "test=true")
    assert not run.metrics.exists()
    with pytest.raises(RequestError, match=r"has features and no classes yet .*\n.*sensorium train model.init=.*best"):
        model_of(checkpoint.read(run.best), trust=False)
    tuned = trained(tmp_path, *TINY, *FEW, "trainer.max_epochs=1", "lr=1e-9", f"model.init={run.best}")
    before, after = (opened(found.best)["state_dict"] for found in (run, tuned))
    assert torch.allclose(before["model.layers.0.weight"], after["model.layers.0.weight"], atol=1e-5)


@pytest.mark.parametrize("choice", ["pseudo_label", "fixmatch", "mean_teacher"])
def test_texts(tmp_path: Path, choice: str) -> None:
    settings = (*TINY_TEXTS["classification"], *FEW, "batch_tokens=null", "trainer.max_epochs=1", "augment=tokens")
    run = trained(tmp_path, *settings, f"learning={choice}")
    (row,) = csv.DictReader(run.history.open())
    # The first steps are sure of no label; the teacher's answers count as they are.
    assert (row["step"], float(row["train/used"])) == ("3", 1.0 if choice == "mean_teacher" else 0.0)


SMALL = ("dataset.train=60", "dataset.val=20", "dataset.test=20")


@pytest.mark.parametrize("cache", ["samples", "features"])
def test_sounds(tmp_path: Path, cache: str) -> None:
    """Tones, whose speed changes in a strong view only where there are samples."""
    time = np.arange(2000) / 4000
    for number in range(24):
        folder = tmp_path / ("train", "train", "val", "test")[number // 6] / ("lo", "hi")[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        tone = np.sin(2 * np.pi * (300, 1200)[number % 2] * time[: 1400 + 20 * number])
        soundfile.write(folder / f"{number}.wav", 0.3 * tone + 0.01 * np.cos(number + 900 * time[: len(tone)]), 4000)
    run = trained(
        tmp_path / "runs", *SHORT, *FEW, "dataset=speech_folder", f"dataset.root={tmp_path}", "model.width=4",
        "dataset.sample_rate=4000", "dataset.features.num_mels=16", "learning=fixmatch", "augment=none",
        f"dataset.cache={cache}", "trainer.max_epochs=1", "learning.threshold=0", "trainer.precision=32-true",
    )  # fmt: skip
    assert ("waves" in run.read_config()["learning"]["strong"]) == (cache == "samples")
    assert "unlabelled_loss" in run.history.read_text()


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (
            ("learning=fixmatch", "dataset=number_words", *SMALL),
            "FixMatch is for the classification of images, texts or",
        ),
        (
            ("learning=simclr", "dataset=contrast_reviews", *SMALL),
            "SimCLR is for the classification of images, not for",
        ),
        (("labels_per_class=1", "dataset=number_words", *SMALL), "labels_per_class is for classification"),
        (("labels_per_class=500",), "labels_per_class=500 exceeds the training examples"),
        (("learning=mean_teacher", "callbacks=default"), "The mean teacher is the average of the weights. Set"),
        (("learning=fixmatch", "augment=mixup", "augment.transforms.flip=null"), "FixMatch cannot mix examples"),
        (("learning=fixmatch", "+augment@learning.strong=mixup"), "learning.strong cannot mix two examples"),
        (("learning=fixmatch", "+augment@learning.strong=tokens"), "learning.strong is for texts, not for"),
        (("learning=fixmatch", "task.criterion=perceptron"), "FixMatch supports only cross-entropy"),
        (("learning=fixmatch", "trace=1"), "debug=trace shows a step of supervised learning"),
        (("learning=simclr", "model=perceptron"), "is only a head"),
    ],
)
def test_what_cannot_be_is_refused(overrides: tuple[str, ...], said: str) -> None:
    with pytest.raises(RequestError, match=said):
        ready(*overrides, model=())
