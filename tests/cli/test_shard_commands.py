"""Shards on the command line: an evaluation of the test shards, and no address that only a checkpoint names."""

from pathlib import Path

import pytest

from command import run_command
from sensorium.cli.eval_data import check_address, default_split
from sensorium.errors import RequestError
from shards import image_shards
from trainings import bare_config

FAST = ("model=mlp", "model.hidden=[8]", "trainer.max_epochs=1", "threads=1", "run_root=runs")


def test_train_eval_predict(tmp_path: Path) -> None:
    root = image_shards(tmp_path / "images", shards=2, each=20, val=10, test=10)
    assert run_command(["train", "dataset=image_shards", f"dataset.root={root}", *FAST], tmp_path).status == 0
    (best,) = tmp_path.glob("runs/*/*/checkpoints/best.ckpt")
    for more in ((), (f"dataset.root={root}",)):
        done = run_command(["eval", f"ckpt={best}", *more, "overwrite=true"], tmp_path)
        assert done.status == 0, done.stderr
        assert "10 examples" in done.stdout


def test_other_shards_are_evaluated_on_test_where_they_have_it(tmp_path: Path) -> None:
    root = image_shards(tmp_path / "images", shards=2, each=20, val=10, test=10)
    section = {"root": str(root), "shard_bytes": 1, "test_fraction": 0.1}
    assert default_split(bare_config(dataset=section), ["dataset.root=..."]) == "test"
    (root / "test-000.tar").unlink()
    assert default_split(bare_config(dataset=section), ["dataset.root=..."]) == "all"


@pytest.mark.parametrize("root", ["http://127.0.0.1:1/a.tar", ["here.tar", "s3://bucket/a.tar"]])
def test_an_address_that_only_the_checkpoint_names_is_not_asked(root: object) -> None:
    settings = bare_config(dataset={"root": root})
    with pytest.raises(RequestError, match=r"(?s)an address that the checkpoint names and you did not.*trust=true"):
        check_address(settings, ["dataset.image_size=8"])
    check_address(settings, ["dataset.root=http://127.0.0.1:1/a.tar"])
    check_address(settings, ["dataset=digits"])
    check_address(bare_config(dataset={"root": "photos"}), [])
    check_address(bare_config(dataset={}), [])
