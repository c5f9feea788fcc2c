"""A training on shards that `make_shards.py --keep-order` wrote is the one on the dataset, to the last bit."""

import json
import runpy
from pathlib import Path

import pytest

from command import run_command, stored_metrics
from trainings import SHORT, differences, opened, trained

MAKE = runpy.run_path(str(Path(__file__).parents[2] / "scripts" / "make_shards.py"))["make"]
FEW_IMAGES = ("dataset.num_train=48", "dataset.num_val=12", "dataset.num_test=12")
FEW_TEXTS = ("dataset.train=48", "dataset.val=12", "dataset.test=12")
NARROW = (
    "model.embedding_size=8",
    "model.hidden_size=8",
    "dataset.min_count=1",
    "dataset.max_length=40",
    "dataset.vocab_size=400",
)
KINDS = {
    "image_tagging_shards": (("dataset=digit_tags", *FEW_IMAGES), ("model.width=4",)),
    "image_regression_shards": (("dataset=digit_pose", *FEW_IMAGES), ("model.width=4",)),
    "text_regression_shards": (("dataset=price_texts", *FEW_TEXTS), NARROW),
    "parallel_shards": (
        ("dataset=number_words", *FEW_TEXTS),
        (*NARROW, "dataset.tokenizer=word", "dataset.vocab_size=400"),
    ),
    "detection_shards": (("dataset=digit_scenes", *FEW_IMAGES), ("model.width=2", "model.blocks=1")),
    "segmentation_shards": (("dataset=digit_scenes_masks", *FEW_IMAGES), ("model.width=4", "model.depth=1")),
}


QUICK = ("text_regression_shards", "parallel_shards", "segmentation_shards")


@pytest.mark.parametrize(
    "shards", [pytest.param(kind, marks=[] if kind in QUICK else [pytest.mark.slow]) for kind in KINDS]
)
def test_weights_and_metrics_are_those_of_the_dataset(
    shards: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    dataset, more = KINDS[shards]
    MAKE(Path("shards"), [*dataset], shard_bytes=None, examples=20, keep_order=True)
    settings = (*SHORT, *more, "trainer.max_epochs=2", "augment=none", "test=true", "explanation=none")
    itself = trained(tmp_path / "itself", *dataset, *settings)
    ours = trained(tmp_path / "ours", f"dataset={shards}", "dataset.root=shards", *settings)
    assert differences(opened(itself.last)["state_dict"], opened(ours.last)["state_dict"]) == []
    measured = run_command(["eval", f"ckpt={ours.best}", "dataset.root=shards", "format=json", "folder=null"], tmp_path)
    assert (measured.status, measured.stderr) == (0, "")
    assert json.loads(measured.stdout) == pytest.approx(stored_metrics(itself.folder / "metrics.json"))
