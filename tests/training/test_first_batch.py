"""debug=batch: the first training batch, drawn as the model is given it."""

import numpy as np
import pytest
import torch
from PIL import Image

from sensorium.batches import IGNORED
from sensorium.build import build_model
from sensorium.cli.train import train_once
from sensorium.errors import RequestError
from sensorium.tasks.report_looks import shares_in_words
from sensorium.training import fit
from sensorium.training.seen import seen_by, seen_examples
from trainings import SHORT, TINY, config_of, data_of, trained

SCENES = ("dataset.num_train=8", "dataset.num_val=4", "dataset.num_test=4")
FEW = ("dataset.train=8", "dataset.val=4", "dataset.test=4")


def parts(*overrides: str):
    config = config_of(*overrides, "trainer.precision=32-true", "memory_format=contiguous", "lr=0.1")
    data = data_of(config)
    return fit.build_task(config, build_model(config.model, data.spec, seed=0), data), data


def test_shares_of_classes_are_percentages_unless_whole():
    shares = torch.tensor([[0.7, 0.3, 0.0], [0.0, 1.0, 0.0], [0.998, 0.0, 0.002]])
    assert shares_in_words(shares, ["cat", "dog", "owl"]) == ["cat (70%), dog (30%)", "dog", "cat"]


def test_mixed_labels_are_those_of_the_step():
    module, data = parts("augment=mixup", "model=mlp", "model.hidden=[4]")
    batch = data.train.read(np.arange(6))
    seen = seen_by(module, batch)
    assert seen is not None
    assert seen.targets.shape == (6, 10)
    assert torch.allclose(seen.targets.sum(dim=1), torch.ones(6))
    assert (seen.targets.amax(dim=1) < 0.999).any()
    targets = [one.target for one in seen_examples(module, batch, split=data.train, spec=data.spec)]
    assert targets == shares_in_words(seen.targets, data.spec.class_names)
    assert "augmented" not in vars(module.preparation)  # as it was


def test_boxes_follow_the_augmentation():
    module, data = parts("dataset=digit_scenes", "model.width=8", *SCENES)
    batch = data.train.read(np.arange(4))
    seen = seen_by(module, batch)
    assert seen is not None
    assert seen.inputs[1] is seen.targets
    there = seen.targets.labels != IGNORED
    assert not torch.equal(seen.targets.boxes[there][:4], batch.targets.boxes[batch.targets.labels != IGNORED][:4])
    examples = seen_examples(module, batch, split=data.train, spec=data.spec)
    counts = there.sum(dim=1).tolist()
    assert [one.target.split()[0] for one in examples] == [str(count) for count in counts]


def test_masks_follow_the_augmentation():
    module, data = parts("dataset=digit_scenes_masks", "model.width=4", *SCENES)
    batch = data.train.read(np.arange(4))
    seen = seen_by(module, batch)
    assert seen is not None
    images, masks = seen.inputs[0], seen.targets
    assert masks.shape == batch.masks.shape
    assert not torch.equal(masks, batch.masks)
    bright = torch.nn.functional.interpolate(images, size=masks.shape[1:]).mean(dim=1)
    digits, rest = (masks > 0) & (masks < 255), masks == 0
    assert bright[digits].mean() > bright[rest].mean() + 0.5  # a digit is drawn in light on dark


@pytest.mark.parametrize(
    "overrides",
    [
        ("model=mlp", "model.hidden=[4]"),
        ("dataset=contrast_reviews", *FEW, "model.embedding_size=4", "model.hidden_size=4"),
    ],
)
def test_the_image_is_written_and_nothing_is_trained(tmp_path, overrides):
    run = trained(tmp_path, *overrides, *SHORT, "debug=batch", "show_batch=5")
    with Image.open(run.folder / "batch.png") as image:
        assert image.width > image.height  # four in a row, and one below
    assert "(5 training examples, after " in run.log.read_text()
    assert not run.history.exists()
    assert not run.checkpoints.exists()


def test_a_run_is_not_resumed_with_it(tmp_path):
    run = trained(tmp_path, *TINY, "trainer.max_epochs=1")
    before = run.config.read_bytes()
    for key in ("show_batch=4", "trace=0"):
        with pytest.raises(RequestError, match=f"{key.split('=')[0]} shows how a training begins"):
            train_once([f"resume={run.folder}", key])
    assert run.best.exists()
    assert run.config.read_bytes() == before
