"""strategy=fsdp on the CPU: two real processes with half of every tensor each train as strategy=ddp does, and what they
save is an ordinary checkpoint. On a GPU it is not measured.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import fully_shard

from command import run_process
from groups import SETTINGS, rows_of, run_of
from sensorium.checkpoint import read_raw
from sensorium.checkpoint_shards import SHARDS
from sensorium.errors import RequestError
from sensorium.models.text.transformer_seq2seq import TransformerSeq2Seq
from sensorium.nn.recurrent import Recurrent
from sensorium.optim.lion import Lion
from sensorium.runs import RunFolder
from sensorium.training.sharding import ShardingStrategy, blocks, gathered, strategy_of
from trainings import bare_config, opened, trained, two_cores

# Nothing after the training: it is not about shares.
ALONE = (*SETTINGS, "optimizer=adamw", "test=false", "calibration=none", "ood=none", "explanation=none")
TWO = ("trainer.devices=2", "accelerator=cpu", "batch_size=16")


def assert_close(run: RunFolder, other: RunFolder) -> None:
    """Weights, optimizer states and metrics, but for rounding."""
    a, b = read_raw(run.last), read_raw(other.last)
    assert a["state_dict"].keys() == b["state_dict"].keys()
    for name, value in a["state_dict"].items():
        assert torch.allclose(value, b["state_dict"][name], rtol=1e-3, atol=1e-5), name
    states, others = (kept["optimizer_states"][0] for kept in (a, b))
    assert states["param_groups"] == others["param_groups"]
    assert states["state"].keys() == others["state"].keys()
    for number, kept in states["state"].items():
        for key, value in kept.items():
            assert torch.allclose(value, others["state"][number][key], rtol=1e-3, atol=1e-5), (number, key)
    for mine, theirs in zip(rows_of(run), rows_of(other), strict=True):
        for name, value in mine.items():
            assert float(theirs[name]) == pytest.approx(float(value), rel=1e-3), name


def train(folder: Path, *arguments: str) -> RunFolder:
    folder.mkdir(exist_ok=True)
    result = run_process(["train", *arguments], folder)
    assert (result.status, result.stderr) == (0, ""), result.stderr
    return run_of(folder)


@two_cores
@pytest.mark.slow
def test_shares_end_like_the_whole(tmp_path: Path) -> None:
    """AdamW has states; 5 validation batches for two processes are 3 and 2, each in need of the whole weights."""
    settings = (*ALONE, "trainer.gradient_clip_val=0.5", "trainer.accumulate_grad_batches=2")
    whole = train(tmp_path / "ddp", *settings, *TWO, "strategy=ddp")
    shares = train(tmp_path / "fsdp", *settings, *TWO, "strategy=fsdp")
    assert_close(shares, whole)
    one = trained(tmp_path, *settings, "accelerator=cpu", "batch_size=32")
    assert_close(shares, one)
    # best.ckpt is one file, last.ckpt in two shards of half the rows, and those of previous.ckpt are there still.
    assert opened(shares.best)["state_dict"].keys() == opened(one.best)["state_dict"].keys()
    assert SHARDS not in opened(shares.best)
    folder = shares.checkpoints / opened(shares.last)[SHARDS]["folder"]
    assert len(list(shares.checkpoints.glob("*.shards"))) == 2
    held = [opened(folder / f"0000{rank}-of-00002.pt")["tensors"] for rank in range(2)]
    weights = opened(one.last)["state_dict"].values()
    for mine, theirs, whole in zip(*held, [value for value in weights if value.ndim], strict=False):
        assert torch.allclose(torch.cat([mine, theirs]), whole, rtol=1e-3, atol=1e-5)
        assert len(mine) == -(-len(whole) // 2)


@two_cores
@pytest.mark.slow
def test_a_damaged_shard_costs_one_checkpoint(tmp_path: Path) -> None:
    """Resuming takes the one before, which has shards of its own, and ends as an uninterrupted run."""
    settings = (*ALONE, "scheduler=constant", *TWO, "strategy=fsdp")
    once = train(tmp_path / "once", *settings, "trainer.max_epochs=3")
    cut = train(tmp_path / "cut", *settings, "trainer.max_epochs=2")
    (cut.checkpoints / opened(cut.last)[SHARDS]["folder"] / "00001-of-00002.pt").unlink()
    arguments = ["train", f"resume={cut.folder.relative_to(tmp_path / 'cut')}", "trainer.max_epochs=3"]
    result = run_process(arguments, tmp_path / "cut")
    assert result.status == 0, result.stderr
    assert "last.ckpt is incomplete; resuming from previous.ckpt, the previous one." in result.stdout
    assert_close(cut, once)


@two_cores
@pytest.mark.slow
def test_checkpoints_go_from_any_strategy_and_number_to_any_other(tmp_path: Path) -> None:
    """Half of a run as shares of two, as one process, as copies on two; the last half of it as shares again."""
    settings = (*ALONE, "scheduler=constant", "trainer.max_epochs=4")
    once = train(tmp_path / "one", *settings, "accelerator=cpu", "batch_size=32")
    part = train(tmp_path / "parts", *settings[:-1], "trainer.max_epochs=1", *TWO, "strategy=fsdp")
    resume = f"resume={part.folder.relative_to(tmp_path / 'parts')}"
    for arguments in (
        ("trainer.max_epochs=2", "trainer.devices=1", "trainer.strategy=auto"),
        ("trainer.max_epochs=3", "trainer.devices=2", "trainer.strategy=ddp"),
        ("trainer.max_epochs=4", "trainer.strategy=fsdp"),
    ):
        train(tmp_path / "parts", resume, *arguments)
    assert_close(part, once)


class Layered(nn.Module):
    """A list of layers, one of which has its weights from outside."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(4, 4)
        stack = (nn.Sequential(nn.Linear(4, 4)), nn.Sequential(nn.Linear(4, 4)))
        self.layers = nn.ModuleList([nn.Linear(4, 4), stack[0], nn.ReLU(), nn.Linear(4, 4), stack[1]])
        self.layers[3].weight = self.first.weight


def test_the_items_of_lists_are_gathered_one_by_one() -> None:
    """But a single layer, whose owner may use its weights without calling it, and one with a weight from outside."""
    model = Layered()
    assert blocks(model) == [model.layers[1], model.layers[4]]
    assert blocks(nn.Linear(2, 2)) == []


@pytest.mark.parametrize(
    ("section", "values", "named"),
    [
        ("callbacks", {"ema": {"decay": 0.9}}, "callbacks=ema"),
        ("optimizer", {"_target_": "sensorium.optim.muon.Muon"}, "optimizer=muon"),
        ("model", {"unfreeze_epochs": 1}, "model.unfreeze_epochs"),
        ("learning", {"_target_": "sensorium.tasks.learning.fixmatch.FixMatch"}, "learning"),
        ("trainer", {"precision": "16-mixed"}, "trainer.precision=16-mixed"),
    ],
)
def test_what_needs_every_tensor_as_a_whole_is_refused(
    section: str, values: dict[str, object], named: str, tmp_path: Path
) -> None:
    config = bare_config(trainer={"strategy": "fsdp", "precision": "32-true"})
    assert isinstance(strategy_of(config, RunFolder(tmp_path)), ShardingStrategy)
    with pytest.raises(RequestError, match=f"^{named} does not work with strategy=fsdp"):
        strategy_of(config.with_values(section, **values), RunFolder(tmp_path))


@pytest.fixture
def alone() -> Iterator[DeviceMesh]:
    """A group of one process, which is enough for tensors that are shared out."""
    torch.distributed.init_process_group("gloo", store=torch.distributed.HashStore(), rank=0, world_size=1)
    yield init_device_mesh("cpu", (1,))
    torch.distributed.destroy_process_group()


def test_lion_moves_the_rows_of_a_process(alone: DeviceMesh) -> None:
    """Its operations on lists of tensors know nothing of shares."""
    torch.manual_seed(0)
    models = [nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)) for _ in range(2)]
    models[1].load_state_dict(models[0].state_dict())
    fully_shard(models[1], mesh=alone)
    inputs = torch.randn(5, 3)
    for model in models:
        optimizer = Lion(model.parameters(), lr=0.01, weight_decay=0.1, betas=(0.9, 0.99))
        for _ in range(3):
            optimizer.zero_grad()
            model(inputs).square().sum().backward()
            optimizer.step()
    for plain, shared in zip(*(model.parameters() for model in models), strict=True):
        assert torch.equal(plain, gathered(shared.data, keep=True))


def test_weights_that_are_used_in_parts_are_no_blocks() -> None:
    """A decoder's keys and values are read by its model, the weights of an LSTM by `nn.recurrent`."""
    translator = TransformerSeq2Seq(
        source_vocab_size=7, target_vocab_size=7, pad_id=0, width=8, heads=2, hidden=8, depth=2
    )
    assert blocks(translator) == list(translator.encoder)
    assert blocks(Recurrent(input_size=3, hidden_size=4, bidirectional=True)) == []
