"""What the keys of a config do to a training: frozen parts, rates, clipping, accumulation, precision, debugging."""

import functools
import shutil
from pathlib import Path
from types import SimpleNamespace

import lightning.pytorch as pl
import pytest
import torch
import yaml
from torch import Tensor

from images import write_picture_folder
from sensorium.cli.train import run as train_command
from sensorium.errors import RequestError
from sensorium.runs import RunFolder
from sensorium.training import fit
from trainings import TINY, config_in, config_of, data_of, differences, model_for, opened, trained

# One plain step: SGD without momentum and decay at a constant rate, and nothing random.
STEP = (
    *TINY, "model.dropout=0", "augment=none", "optimizer=sgd", "optimizer.momentum=0", "optimizer.nesterov=false",
    "optimizer.weight_decay=0", "scheduler=constant",
)  # fmt: skip


def weights_of(run: RunFolder) -> dict[str, Tensor]:
    return opened(run.last)["state_dict"]


def initial(run: RunFolder) -> dict[str, Tensor]:
    config = config_in(run)
    model = model_for(config, data_of(config).spec)
    return {f"model.{name}": value for name, value in model.state_dict().items()}


def changed(run: RunFolder) -> set[str]:
    before, after = initial(run), weights_of(run)
    return {name.removeprefix("model.") for name in before if not torch.equal(before[name], after[name])}


# -- what is trained, and how fast


def test_the_seed_decides_everything(tmp_path: Path) -> None:
    settings = (*TINY, "augment=crop", "callbacks=ema")
    first, second, other = (trained(tmp_path, *settings, f"seed={seed}") for seed in (5, 5, 6))
    assert differences(weights_of(first), weights_of(second)) == []
    assert first.history.read_text() == second.history.read_text()
    assert not torch.equal(weights_of(first)["model.head.weight"], weights_of(other)["model.head.weight"])


def test_a_frozen_backbone_stays_as_it_is_and_the_head_is_trained(tmp_path: Path) -> None:
    settings = [item for item in TINY if not item.startswith("model")]
    settings += ["model=small_cnn", "model.width=4", "model.freeze=backbone", "trainer.max_epochs=2"]
    run = trained(tmp_path, *settings)
    assert changed(run) == {"head.weight", "head.bias"}  # not even a running mean of a batch norm


def test_everything_is_trained_when_nothing_is_frozen(tmp_path: Path) -> None:
    run = trained(tmp_path, *TINY, "trainer.max_epochs=1")
    assert changed(run) == {"layers.0.weight", "layers.0.bias", "head.weight", "head.bias"}


def test_the_backbone_learns_at_its_share_of_the_rate(tmp_path: Path) -> None:
    settings = (*TINY, "scheduler=constant", "optimizer.lr=0.01", "trainer.max_epochs=1")
    run = trained(tmp_path, *settings, "model.backbone_lr_scale=0.1")
    groups = {group["name"]: group for group in opened(run.last)["optimizer_states"][0]["param_groups"]}
    assert {name: group["lr"] for name, group in groups.items()} == pytest.approx(
        {"backbone.decay": 0.001, "backbone.no_decay": 0.001, "head.decay": 0.01, "head.no_decay": 0.01}
    )
    assert [name for name, group in groups.items() if group["weight_decay"] == 0] == [
        "backbone.no_decay",
        "head.no_decay",
    ]

    run = trained(tmp_path, *settings, "model.backbone_lr_scale=0")
    assert changed(run) == {"head.weight", "head.bias"}


def test_lr_at_the_top_is_the_optimizers(tmp_path: Path) -> None:
    run = trained(tmp_path, *TINY, "scheduler=constant", "lr=0.125", "trainer.max_epochs=1")
    assert opened(run.last)["optimizer_states"][0]["param_groups"][0]["lr"] == 0.125


@pytest.mark.parametrize(
    ("norm", "settings"),
    [(0.01, ()), (0.02, ()), (0.01, ("+optimizer.fused=true", "trainer.precision=bf16-mixed"))],
    ids=["0.01", "0.02", "fused"],
)
def test_gradients_are_clipped_to_a_norm(tmp_path: Path, norm: float, settings: tuple[str, ...]) -> None:
    clipped = (*STEP, "optimizer.lr=1.0", "trainer.max_steps=1", f"trainer.gradient_clip_val={norm}")
    run = trained(tmp_path, *clipped, *settings)
    before, after = initial(run), weights_of(run)
    moved = torch.cat([(after[name] - before[name]).flatten().double() for name in before]).norm()
    assert float(moved) == pytest.approx(norm, rel=1e-3)


def test_two_accumulated_batches_are_one_of_twice_the_size(tmp_path: Path) -> None:
    small = trained(tmp_path, *STEP, "trainer.accumulate_grad_batches=2", "batch_size=16")
    large = trained(tmp_path, *STEP, "batch_size=32", "trainer.limit_train_batches=3")
    assert opened(small.last)["global_step"] == opened(large.last)["global_step"] == 9
    for name, value in weights_of(large).items():
        assert torch.allclose(weights_of(small)[name], value, rtol=1e-4, atol=1e-6), name
    assert not torch.equal(initial(small)["model.head.weight"], weights_of(small)["model.head.weight"])


# -- weights of another training


def test_init_takes_the_weights_of_a_checkpoint_and_says_what_it_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = trained(tmp_path, *TINY, "trainer.max_epochs=1")
    still = (*STEP, "optimizer.lr=1e-30", "trainer.max_epochs=1", f"model.init={first.best}")
    capsys.readouterr()
    same = trained(tmp_path, *still)
    assert "4 of the model's 4 tensors loaded." in capsys.readouterr().out
    assert differences(weights_of(same), opened(first.best)["state_dict"]) == []

    root = write_picture_folder(tmp_path / "photos", classes=3, per_class=20, size=8, channels=1)
    other = trained(
        tmp_path, *still, "dataset=image_folder", f"dataset.root={root}", "dataset.image_size=8", "dataset.channels=1"
    )
    out = capsys.readouterr().out
    assert "2 of the model's 4 tensors loaded." in out
    assert "head.weight: 10 classes in the file, 3 here: left as initialized" in out
    assert torch.equal(
        weights_of(other)["model.layers.0.weight"], opened(first.best)["state_dict"]["model.layers.0.weight"]
    )


def test_digits_start_clothes_whatever_the_size(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """8x8 gray to 16x16 colour with as many classes: all but the head, the first filters shared out."""
    few = [item for item in STEP if not item.startswith("model")]
    few += ["model=small_cnn", "model.width=4", "trainer.max_epochs=1", "optimizer.lr=1e-30"]
    first = trained(tmp_path, *few)
    root = write_picture_folder(tmp_path / "photos", classes=10, per_class=4, size=16)
    capsys.readouterr()
    other = trained(
        tmp_path, *few, "dataset=image_folder", f"dataset.root={root}", "dataset.image_size=16", "batch_size=8",
        f"model.init={first.best}",
    )  # fmt: skip
    out = capsys.readouterr().out
    assert "30 of the model's 32 tensors loaded." in out
    assert "features.0.conv.weight: 1 channel in the file, 3 here: its filters shared out among them" in out
    assert "head.weight: for 0, 1, 2 ... and 7 more in the file: left as initialized" in out
    before, after = weights_of(first), weights_of(other)
    name = "model.features.7.conv.weight"
    assert torch.equal(before[name], after[name])


def test_resumed_a_run_does_not_need_the_file_it_began_with(tmp_path: Path) -> None:
    """Nor does one whose config.yaml still calls it pretrained."""
    first = trained(tmp_path, *TINY, "trainer.max_epochs=1")
    settings = (*TINY, "trainer.max_epochs=1")
    begun = trained(tmp_path, *settings, f"model.init={first.best}")
    config = begun.read_config()
    first.best.unlink()
    config["model"] |= {"pretrained": config["model"].pop("init")}
    for key in ("unfreeze_epochs", "layer_lr_decay"):
        del config["model"][key]
    begun.config.write_text(yaml.safe_dump(config))
    train_command([f"resume={begun.folder}", "trainer.max_epochs=2"])
    assert opened(begun.last)["epoch"] == 2
    assert begun.read_config()["model"]["pretrained"] is False


# -- arithmetic


def test_bfloat16_arithmetic_keeps_the_weights_in_float32(tmp_path: Path) -> None:
    run = trained(tmp_path, *TINY, "trainer.max_epochs=1", "trainer.precision=bf16-mixed")
    exact = trained(tmp_path, *TINY, "trainer.max_epochs=1", "trainer.precision=32-true")
    assert {value.dtype for value in weights_of(run).values()} == {torch.float32}
    assert not torch.equal(weights_of(run)["model.head.weight"], weights_of(exact)["model.head.weight"])
    assert opened(run.best)["sensorium"]["config"]["trainer"]["precision"] == "bf16-mixed"


def test_channels_last_changes_the_layout_and_not_the_result(tmp_path: Path) -> None:
    settings = [item for item in TINY if not item.startswith("model")]
    settings += ["model=lenet", "trainer.max_epochs=1", "optimizer=sgd"]
    last, plain = (trained(tmp_path, *settings, f"memory_format={name}") for name in ("channels_last", "contiguous"))
    for name, value in weights_of(plain).items():
        assert torch.allclose(weights_of(last)[name], value, rtol=1e-3, atol=1e-4), name
    strides = {
        name: value.stride() for name, value in weights_of(last).items() if value.ndim == 4 and value.shape[1] > 1
    }
    # Of LeNet's two convolutions the first has one channel, which has no layout.
    assert {name: stride[1] for name, stride in strides.items()} == {"model.features.3.weight": 1}


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")
def test_compiled_it_learns_the_same(tmp_path: Path) -> None:
    compiled, plain = (trained(tmp_path, *STEP, f"compile={flag}") for flag in ("true", "false"))
    assert weights_of(compiled).keys() == weights_of(plain).keys()
    for name, value in weights_of(plain).items():
        assert torch.allclose(weights_of(compiled)[name], value, rtol=1e-3, atol=1e-5), name


# -- debugging


def test_debug_one_batch_is_one_step_and_one_validation(tmp_path: Path) -> None:
    settings = [item for item in TINY if "limit" not in item and "epochs" not in item and "test=" not in item]
    run = trained(tmp_path, *settings, "debug=one_batch")
    assert opened(run.last)["global_step"] == 1
    (row,) = opened(run.last)["callbacks"]["History"]["rows"]
    assert "val/loss" in row
    assert not run.metrics.exists()


def test_debug_overfit_learns_its_few_examples_by_heart(tmp_path: Path) -> None:
    settings = ("model=mlp", "model.hidden=[64]", "workers=0", "threads=1", "accelerator=cpu", "batch_size=32")
    run = trained(tmp_path, *settings, "debug=overfit", "optimizer.lr=0.01")
    rows = opened(run.last)["callbacks"]["History"]["rows"]
    assert (rows[-1]["epoch"], rows[-1]["step"]) == (100, 300)
    assert rows[-1]["train/accuracy"] == 1.0
    assert rows[-1]["train/loss"] < 0.01


def test_debug_profile_says_where_the_time_went(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = [item for item in TINY if "limit_train" not in item and "epochs" not in item]
    run = trained(tmp_path, *settings, "debug=profile", "+trainer.limit_train_batches=2")
    assert opened(run.last)["epoch"] == 2
    assert "run_training_batch" in capsys.readouterr().out


# -- the Trainer


@pytest.mark.parametrize(
    ("batches", "accumulate", "epochs", "max_steps", "limit", "expected"),
    [
        (41, 1, 3, -1, 1.0, (123, 41)),
        (41, 2, 3, -1, 1.0, (63, 21)),
        (41, 1, 3, 50, 1.0, (50, 41)),
        (41, 1, -1, 50, 1.0, (50, 41)),
        (41, 1, -1, -1, 1.0, (float("inf"), 41)),
        (41, 1, 3, -1, 10, (30, 10)),
        (41, 1, 3, -1, 0.5, (60, 20)),
        (41, 1, 3, -1, 100, (123, 41)),
    ],
)
def test_the_steps_of_a_training_are_counted_before_it_starts(
    batches: int, accumulate: int, epochs: int, max_steps: int, limit: float, expected: tuple[float, int]
) -> None:
    trainer = SimpleNamespace(
        limit_train_batches=limit, accumulate_grad_batches=accumulate, max_epochs=epochs, max_steps=max_steps
    )
    assert fit._steps(trainer, batches) == expected


@pytest.mark.parametrize("key", ["callbacks", "logger", "enable_checkpointing"])
def test_trainer_keys_that_sensorium_sets_are_refused(tmp_path: Path, key: str) -> None:
    with pytest.raises(RequestError, match=f"trainer.{key} is set by Sensorium itself"):
        train_command([f"run_root={tmp_path}", f"trainer.{key}=true"])


def test_a_misspelt_trainer_key_is_refused_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="Did you mean max_epochs"):
        train_command([f"run_root={tmp_path}", "trainer.max_epoch=3"])


def test_any_argument_of_the_trainer_reaches_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, object] = {}
    original = pl.Trainer.__init__

    @functools.wraps(original)
    def noted(self: pl.Trainer, **options: object) -> None:
        given.update(options)
        original(self, **options)

    monkeypatch.setattr(pl.Trainer, "__init__", noted)
    trained(tmp_path, *TINY, "trainer.max_epochs=1", "trainer.gradient_clip_algorithm=value",
            "trainer.check_val_every_n_epoch=null", "trainer.val_check_interval=3")  # fmt: skip
    assert given["gradient_clip_algorithm"] == "value"
    assert given["check_val_every_n_epoch"] is None
    assert given["accumulate_grad_batches"] == 1


def test_the_config_that_is_kept_has_nothing_open(tmp_path: Path) -> None:
    config = config_of(*TINY)
    assert config.trainer["precision"] == config.memory_format == "auto"
    kept = trained(tmp_path, *TINY, "trainer.max_epochs=1").read_config()
    assert (kept["trainer"]["precision"], kept["memory_format"]) == ("32-true", "contiguous")
