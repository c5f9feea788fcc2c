"""strategy=fsdp: parameters, gradients and optimizer states are shared out among the processes (PyTorch's FSDP2).

Lightning's own strategies for it need a GPU; this one works wherever torch.distributed does, so that it can be tested
on a CPU. What a model is predicted with is saved whole; of what a run resumes from, each process saves and loads its
rows (`checkpoint_shards`). Whatever the number of processes and the strategy, both open alike.
"""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.strategies import DDPStrategy
from torch import nn
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor
from torch.distributed.tensor._utils import compute_local_shape_and_global_offset
from torch.optim import Optimizer

from sensorium import checkpoint as files
from sensorium import checkpoint_shards, distributed
from sensorium.checkpoint_shards import ShardedTensor
from sensorium.errors import RequestError, SensoriumError
from sensorium.run_config import RunConfig
from sensorium.runs import RunFolder
from sensorium.training.checkpoint_io import is_one_folder

# PyTorch's words where weights that were not gathered meet an input.
NOT_GATHERED = "mixed torch.Tensor and DTensor"


def strategy_of(config: RunConfig, run: RunFolder) -> Any:
    """What Lightning's Trainer takes as its strategy. Raises RequestError for what sharding cannot do."""
    strategy = config.trainer["strategy"]
    if strategy == "fsdp":
        _check_sharding(config)
        return ShardingStrategy(run)
    if strategy == "ddp":
        # Running means and the like are handed round before they are used (Task.on_validation_start), not at each
        # batch: validation gives the processes different numbers of batches.
        frozen_at_times = config.model.get("unfreeze_epochs") is not None
        return DDPStrategy(broadcast_buffers=False, find_unused_parameters=frozen_at_times)
    return strategy


def _check_sharding(config: RunConfig) -> None:
    """Rejects with strategy=fsdp what needs every parameter as a whole, in every process."""
    needs = {
        "callbacks=ema": bool(config.callbacks.get("ema")),
        "optimizer=muon": str(config.optimizer.get("_target_")).endswith("Muon"),
        "learning": config.method is not None,
        "model.unfreeze_epochs": config.model.get("unfreeze_epochs") is not None,
        "trainer.precision=16-mixed": config.trainer["precision"] == "16-mixed",
        "compile=true": config.compile,
    }
    if wrong := next((name for name, given in needs.items() if given), None):
        raise RequestError(f"{wrong} does not work with strategy=fsdp.\nTake strategy=ddp, or leave it out.")


class ShardingStrategy(DDPStrategy):
    """Shares out a task's network before its optimizer is made. run: the run whose checkpoints it saves."""

    def __init__(self, run: RunFolder) -> None:
        super().__init__()
        self.run = run
        self._one_folder: bool | None = None

    def configure_ddp(self) -> None:
        """In the place of DDP's wrapper: the network itself gathers its weights and distributes its gradients."""
        shard(self._network(), init_device_mesh(self.root_device.type, (self.world_size,)))

    def on_validation_start(self) -> None:
        """The whole weights stay with every process while the processes see different numbers of batches."""
        self._keep_whole(True)

    def on_validation_end(self) -> None:
        """Each has its share again."""
        self._keep_whole(False)

    def _keep_whole(self, whole: bool) -> None:
        for module in self._network().modules():
            if isinstance(module, FSDPModule):
                module.set_reshard_after_forward(not whole, recurse=False)
                module.unshard() if whole else module.reshard()

    def optimizer_state(self, optimizer: Optimizer) -> dict[str, Any]:
        """With this process's rows of every tensor."""
        return optimizer.state_dict()

    def save_checkpoint(self, checkpoint: dict[str, Any], filepath: Any, storage_options: Any | None = None) -> None:
        """`last.ckpt` in shards, where all processes write to one folder; all else whole, gathered by the first."""
        path, first = Path(filepath), distributed.rank() == 0
        if path == self.run.last and self._to_one_folder():
            checkpoint = self._save_shards(checkpoint, path.parent)
        else:
            checkpoint = checkpoint_shards.mapped(checkpoint, lambda one: gathered(one, keep=first))
        if first:
            self.checkpoint_io.save_checkpoint(checkpoint, path)

    def _save_shards(self, checkpoint: dict[str, Any], folder: Path) -> dict[str, Any]:
        """What is left for `last.ckpt` itself, once every process has written its rows."""
        if distributed.rank() == 0:  # of saves that were killed
            checkpoint_shards.remove_unnamed(folder)
        name = distributed.agree(checkpoint_shards.new_folder())  # from here on all write
        left, rows = checkpoint_shards.take_out(
            checkpoint, lambda one: distributed.own_rows(one) if _is_shared(one) else None
        )
        rank, processes = distributed.rank(), distributed.world_size()
        try:
            distributed.together(lambda: checkpoint_shards.write(folder / name, rows, rank=rank, processes=processes))
        except SensoriumError:  # such as a full disk
            if rank == 0:
                checkpoint_shards.remove_unnamed(folder)
            raise
        return left | {checkpoint_shards.SHARDS: {"folder": name, "processes": processes}}

    def load_checkpoint(self, checkpoint_path: Any, weights_only: bool | None = None) -> dict[str, Any]:
        """Each process reads its rows of the optimizer's states from shards, if there are and it sees them."""
        path = Path(checkpoint_path)
        if self._to_one_folder():
            return distributed.together(lambda: files.read_raw(path, whole=False))
        return super().load_checkpoint(path, weights_only)

    def _to_one_folder(self) -> bool:
        if self._one_folder is None:
            self._one_folder = is_one_folder(self.run.checkpoints)
        return self._one_folder

    def load_optimizer_state_dict(self, checkpoint: Mapping[str, Any]) -> None:
        """Each process takes its share of what any strategy and number of processes saved."""
        for optimizer, state in zip(self.optimizers, checkpoint["optimizer_states"], strict=True):
            parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
            numbers = [number for group in state["param_groups"] for number in group["params"]]
            of = dict(zip(numbers, parameters, strict=True))
            shares = {
                number: {key: _share(one, of[number]) for key, one in kept.items()}
                for number, kept in state["state"].items()
            }
            optimizer.load_state_dict({**state, "state": shares})

    def teardown(self) -> None:
        """Also after an error in the middle of a step, when whole weights are there, which cannot be moved."""
        if self.lightning_module is not None:
            self._keep_whole(False)
        super().teardown()

    def _network(self) -> nn.Module:
        assert self.lightning_module is not None
        model = self.lightning_module.model
        assert isinstance(model, nn.Module)
        return model


def shard(model: nn.Module, mesh: DeviceMesh) -> None:
    """Leaves each process of the mesh its rows of every parameter, of what the first one has."""
    for parameter in model.parameters():  # channels_last is no order that can be cut
        parameter.data = parameter.data.contiguous()
    for value in (*model.parameters(), *model.buffers()):
        torch.distributed.broadcast(value.data, src=0)
    for block in blocks(model):
        fully_shard(block, mesh=mesh)
    fully_shard(model, mesh=mesh)


def blocks(model: nn.Module) -> list[nn.Module]:
    """Parts that are gathered one after the other, so that the whole weights are never there in a step: the items of
    lists of modules, as the layers of a transformer are. Not those that have a parameter in common with another part,
    and not what its owner uses without calling it: a single layer, as `nn.recurrent` does, and what says so by
    `used_in_parts`.
    """
    counts = Counter(
        parameter for module in model.modules() for parameter in module.parameters(recurse=False) if parameter.ndim
    )
    found = []
    for module in model.modules():
        if isinstance(module, nn.ModuleList):
            for item in module:
                own = list(item.parameters())
                called = type(item).forward is not nn.Module.forward and any(True for _ in item.children())
                called = called and not getattr(item, "used_in_parts", False)
                if own and called and all(counts[one] == 1 for one in own):
                    found.append(item)
    nested = {id(inner) for block in found for inner in block.modules() if inner is not block}
    return [block for block in found if id(block) not in nested]


def gathered(value: Any, *, keep: bool) -> Any:
    """A tensor as a whole, on the CPU, of the rows that the processes have; anything else as it is. Every process takes
    part; None for those that do not keep it.
    """
    if not _is_shared(value):
        return value
    whole = value.full_tensor()
    return whole.cpu() if keep else None


def _is_shared(value: Any) -> bool:
    return isinstance(value, DTensor)


def _share(value: Any, parameter: Any) -> Any:
    """This process's rows of a tensor that belongs to a parameter element by element."""
    if not isinstance(parameter, DTensor) or getattr(value, "shape", None) != parameter.shape:
        return value.whole() if isinstance(value, ShardedTensor) else value
    shape, offset = compute_local_shape_and_global_offset(parameter.shape, parameter.device_mesh, parameter.placements)
    whole = value if isinstance(value, ShardedTensor) else ShardedTensor((value,))
    own = whole.rows(offset[0], shape[0])
    return DTensor.from_local(
        own.to(parameter.device),
        parameter.device_mesh,
        parameter.placements,
        run_check=False,
        shape=parameter.shape,
        stride=parameter.stride(),
    )
