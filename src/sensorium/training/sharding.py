"""strategy=fsdp: parameters, gradients and optimizer states are shared out among the processes (PyTorch's FSDP2).

Lightning's own strategies for it need a GPU; this one works wherever torch.distributed does, so that it can be tested
on a CPU. Its checkpoints are those of one process: whatever the number of processes and the strategy, they open alike.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import torch
from lightning.pytorch.strategies import DDPStrategy
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.optim import Optimizer

from sensorium.errors import RequestError
from sensorium.run_config import RunConfig


def strategy_of(config: RunConfig) -> Any:
    """What Lightning's Trainer takes as its strategy. Raises RequestError for what sharding cannot do."""
    strategy = config.trainer["strategy"]
    if strategy == "fsdp":
        _check_sharding(config)
        return ShardingStrategy()
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
    """Shares out a task's network before its optimizer is made."""

    def configure_ddp(self) -> None:
        """In the place of DDP's wrapper: the network itself gathers its weights and distributes its gradients."""
        model = self._network()
        for parameter in model.parameters():  # channels_last is no order that can be cut
            parameter.data = parameter.data.contiguous()
        mesh = init_device_mesh(self.root_device.type, (self.world_size,))
        # What every process begins with is the first one's.
        for value in (*model.parameters(), *model.buffers()):
            torch.distributed.broadcast(value.data, src=0)
        for block in blocks(model):
            fully_shard(block, mesh=mesh)
        fully_shard(model, mesh=mesh)

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

    def lightning_module_state_dict(self) -> dict[str, Any]:
        """Of the whole module; every process takes part, and the first one keeps it."""
        assert self.lightning_module is not None
        state = {name: gathered(value) for name, value in self.lightning_module.state_dict().items()}
        return state if self.is_global_zero else {}

    def optimizer_state(self, optimizer: Optimizer) -> dict[str, Any]:
        """As of one process, with the whole of every tensor; of the first process alone."""
        state = optimizer.state_dict()
        whole = {number: {key: gathered(one) for key, one in kept.items()} for number, kept in state["state"].items()}
        return state | {"state": whole} if self.is_global_zero else {}

    def load_optimizer_state_dict(self, checkpoint: Mapping[str, Any]) -> None:
        """Each process takes its share of what one process or another number of them saved."""
        for optimizer, state in zip(self.optimizers, checkpoint["optimizer_states"], strict=True):
            parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
            numbers = [number for group in state["param_groups"] for number in group["params"]]
            of = dict(zip(numbers, parameters, strict=True))
            shares = {
                number: {key: _share(one, of[number]) for key, one in kept.items()}
                for number, kept in state["state"].items()
            }
            optimizer.load_state_dict({**state, "state": shares})

    def _network(self) -> nn.Module:
        assert self.lightning_module is not None
        model = self.lightning_module.model
        assert isinstance(model, nn.Module)
        return model


def blocks(model: nn.Module) -> list[nn.Module]:
    """Parts that are gathered one after the other, so that the whole weights are never there in a step: the items of
    lists of modules, as the layers of a transformer are. Not those that have a parameter in common with another part.
    """
    counts = Counter(
        parameter for module in model.modules() for parameter in module.parameters(recurse=False) if parameter.ndim
    )
    found = []
    for module in model.modules():
        if isinstance(module, nn.ModuleList):
            for item in module:
                own = list(item.parameters())
                if own and type(item).forward is not nn.Module.forward and all(counts[one] == 1 for one in own):
                    found.append(item)
    nested = {id(inner) for block in found for inner in block.modules() if inner is not block}
    return [block for block in found if id(block) not in nested]


def gathered(value: Any) -> Any:
    """A tensor as a whole, on the CPU, of the shares that the processes have; anything else as it is."""
    return value.full_tensor().cpu() if isinstance(value, DTensor) else value


def own_share(value: Tensor) -> Tensor:
    """The part of a tensor that this process has."""
    return value.to_local() if isinstance(value, DTensor) else value


def _share(value: Any, parameter: Any) -> Any:
    """This process's share of a tensor that belongs to a parameter element by element."""
    if not isinstance(parameter, DTensor) or not isinstance(value, Tensor) or value.shape != parameter.shape:
        return value
    return distribute_tensor(value.to(parameter.device), parameter.device_mesh, parameter.placements)
