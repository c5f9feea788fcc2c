"""Training on shards: a run that was killed ends like one that was not, two processes train as one."""

import json
from pathlib import Path

import pytest
import torch
from test_ddp import TWO, WATCHED, WATCHER
from test_resume import assert_same_end, finished, killed, killed_at, run_of

from command import run_command
from shards import image_shards, mask_members, write_tar
from trainings import opened, two_cores

# 10 steps an epoch from 8 shards, two of which are open at a time, with no image kept decoded.
SETTINGS = (
    "dataset=image_shards", "dataset.cache_bytes=0", "dataset.shuffle_window=30", "model.width=8", "model.dropout=0.3",
    "workers=2", "trainer.max_epochs=3", "callbacks.checkpoints.every_n_steps=3", "test=false", "run_root=runs",
)  # fmt: skip


def settings(folder: Path) -> tuple[str, ...]:
    return (*SETTINGS, f"dataset.root={folder}", "batch_size=16")


# The same of images with masks, which are read from the shards at each batch.
MASKS = (
    "dataset=segmentation_shards", "dataset.cache_bytes=0", "dataset.shuffle_window=30", "model.width=4",
    "model.depth=1", "workers=2", "trainer.max_epochs=3", "callbacks.checkpoints.every_n_steps=3", "test=false",
    "run_root=runs",
)  # fmt: skip


@pytest.fixture(scope="module")
def masks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("masks")
    for name, numbers in (*((f"train-{n}", range(10 * n, 10 * n + 10)) for n in range(4)), ("val", range(40, 50))):
        write_tar(folder / f"{name}.tar", mask_members(numbers))
    write_tar(folder / "test.tar", mask_members(range(50, 60)))
    return folder


def test_a_killed_run_on_masks_ends_like_one_that_was_not(masks: Path, tmp_path: Path) -> None:
    settings = (*MASKS, f"dataset.root={masks}", "batch_size=8")  # 5 steps an epoch
    whole, torn = tmp_path / "whole", tmp_path / "torn"
    whole.mkdir()
    torn.mkdir()
    assert run_command(["train", *settings], whole).status == 0
    run = killed(torn, *killed_at(8), settings=settings)
    finished(torn)
    assert opened(run.last)["global_step"] == 15
    assert_same_end(run, run_of(whole))


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return image_shards(tmp_path_factory.mktemp("data") / "images", shards=8, each=20, val=20, test=10)


def test_a_killed_run_ends_like_one_that_was_not(root: Path, tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    whole.mkdir()
    assert run_command(["train", *settings(root)], whole).status == 0
    torn = tmp_path / "torn"
    torn.mkdir()
    run = killed(torn, *killed_at(14), settings=settings(root))
    finished(torn)
    assert opened(run.last)["global_step"] == 30
    assert_same_end(run, run_of(whole))


@two_cores
def test_two_processes_see_every_example_once(root: Path, tmp_path: Path) -> None:
    (tmp_path / "watcher.py").write_text(WATCHER)
    plain = ("model=mlp", "model.hidden=[8]", "augment=none", "optimizer=sgd", "threads=1", "trainer.max_epochs=2")
    data = ("dataset=image_shards", f"dataset.root={root}", "dataset.cache_bytes=0", "dataset.shuffle_window=30")
    common = (*plain, *data, "workers=1", "test=false", "run_root=runs", "accelerator=cpu")
    two = run_command(["train", *TWO, *common, "batch_size=8", WATCHED], tmp_path)
    assert two.status == 0, two.stderr
    seen = [json.loads((tmp_path / f"seen_{rank}.json").read_text()) for rank in (0, 1)]
    for epoch in (0, 1):
        rows = [row for one in seen for number, batch in one["train"] if number == epoch for row in batch]
        assert sorted(rows) == list(range(160))
    assert sorted(row for one in seen for number, batch in one["val"] if number == 1 for row in batch) == list(
        range(20)
    )
    assert seen[0]["weights"] == seen[1]["weights"]
    alone = tmp_path / "alone"
    alone.mkdir()
    assert run_command(["train", *common, "batch_size=16"], alone).status == 0
    for name, value in opened(run_of(alone).last)["state_dict"].items():
        assert torch.allclose(opened(run_of(tmp_path).last)["state_dict"][name], value, rtol=1e-4, atol=1e-6), name
