"""What a training leaves for its report."""

import json

import numpy as np
import pytest
import torch

from sensorium.build import build_model
from sensorium.reports import page, record, store
from sensorium.tasks.report_media import chosen, clip_uri, differences, evenly, image_uri
from sensorium.training import fit
from sensorium.training.seen import seen_by
from trainings import config_of, data_of, trained

TINY = ("model=mlp", "model.hidden=[8]", "threads=1", "workers=0", "accelerator=cpu", "trainer.max_epochs=1")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("runs"), *TINY)


def test_a_training_ends_with_a_report(run):
    stored = store.read(run.folder)
    assert stored is not None
    assert stored.splits == {"train": 1295, "val": 143, "test": 359}
    assert sum(stored.classes["test"].values()) == 359
    assert stored.headline["value"] == json.loads(run.metrics.read_text())["test/accuracy"]
    assert stored.headline["low"] < stored.headline["value"] < stored.headline["high"]
    assert stored.intervals["loss"][0] < json.loads(run.metrics.read_text())["test/loss"] < stored.intervals["loss"][1]
    assert np.mean(stored.scores.values) == pytest.approx(stored.headline["value"])
    assert len(stored.samples.examples) == record.SAMPLES
    assert len(stored.epochs) == 1
    kinds = [type(section).__name__ for section in stored.sections]
    assert kinds == ["Matrix", "Table", "Chart", "Table", "Gallery", "Gallery"]
    assert stored.sections[3].title == "Calibration on validation"
    assert f"report: {run.folder / page.NAME}" in run.log.read_text()
    assert (run.folder / page.NAME).stat().st_size < 3_000_000


def test_a_report_that_fails_is_said_and_fails_nothing(tmp_path, monkeypatch):
    def broken(*_args: object, **_options: object) -> None:
        raise RuntimeError("no room\nmore")

    monkeypatch.setattr(record, "recorded", broken)
    run = trained(tmp_path, *TINY, "test=false", "trainer.limit_train_batches=1", "trainer.limit_val_batches=1")
    assert "report.html was not written (RuntimeError: no room). Try: sensorium report" in run.log.read_text()
    assert run.best.exists()


def test_the_model_is_as_it_was_when_its_inputs_have_been_seen(tmp_path):
    config = config_of("augment=none", "model=small_cnn", "trainer.precision=32-true", "memory_format=contiguous")
    data = data_of(config)
    model = build_model(config.model, data.spec, seed=0, name="small_cnn")
    module = fit.build_task(config, model, data)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    batch = data.train.read(np.arange(4))
    (images,) = seen_by(module, batch).inputs
    expected = (batch.images.float() / 255 - module.preparation.prepare.mean) / module.preparation.prepare.std
    assert torch.allclose(images, expected)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert not model._forward_pre_hooks


def test_examples_are_the_worst_and_evenly_spaced_right_ones():
    assert chosen(np.array([9, 7, 8]), np.arange(5), most=2).tolist() == [9, 7, 0, 4]
    assert evenly(10, 4).tolist() == [0, 3, 6, 9]
    assert evenly(0, 4).tolist() == []
    assert chosen(np.array([], int), np.array([], int)).tolist() == []


def test_words_that_differ_are_marked():
    reference, hypothesis = differences("the cat sat down", "the bat sat")
    assert reference.pieces == [("the", ""), ("cat", "missing"), ("sat", ""), ("down", "missing")]
    assert hypothesis.pieces == [("the", ""), ("bat", "wrong"), ("sat", "")]


def test_media_are_small_and_of_their_kind():
    image = image_uri(np.zeros((3, 900, 300), dtype=np.uint8))
    assert image.startswith("data:image/jpeg;base64,")
    assert len(image) < 3000
    assert image_uri(np.zeros((1, 8, 8), dtype=np.uint8)).startswith("data:image/png;base64,")
    minute = clip_uri(np.sin(np.arange(60 * 16000) / 10).astype(np.float32), 16000)
    assert minute.startswith("data:audio/")
    assert len(minute) < 100_000  # of its first eight seconds
