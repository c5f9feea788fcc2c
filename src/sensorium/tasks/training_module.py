"""What every task shares: the shared step, running sums instead of a metric object at each step, optimizer wiring."""

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import lightning.pytorch as pl
import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from sensorium.errors import RequestError
from sensorium.nn.transfer import frozen_modules_eval
from sensorium.optim.groups import parameter_groups
from sensorium.randomness import ExampleRandom, fold

OptimizerFactory = Callable[[list[dict[str, Any]]], Optimizer]
SchedulerFactory = Callable[..., LRScheduler | ReduceLROnPlateau]


@dataclass(frozen=True, kw_only=True)
class OptimizationConfig:
    """How a model is trained.

    optimizer: takes parameter groups. scheduler: takes the optimizer, total_steps and steps_per_epoch. lr,
    weight_decay, backbone_lr_scale, layer_lr_decay: for the groups. seed: of dropout and augmentation.
    """

    optimizer: OptimizerFactory
    scheduler: SchedulerFactory
    lr: float
    weight_decay: float
    backbone_lr_scale: float
    seed: int
    layer_lr_decay: float | None = None


class StepResult(NamedTuple):
    """loss: scalar to minimize. sums: (M,) totals over a batch, in the order of `TaskModule.totals`, the count last."""

    loss: Tensor
    sums: Tensor


class TaskModule(pl.LightningModule):
    """A model with its loss, metrics and optimizer.

    A sub-class implements `step` and names what it adds up in `totals`; the mean of each over an epoch is logged as
    `train/NAME` and `val/NAME`. What is no such mean, `validation_metrics` gives when validation is over.

    model: an `nn.Module` of the protocol of its task.
    """

    totals: tuple[str, ...] = ("loss",)
    validation_metric_names: tuple[str, ...] = ()  # what `validation_metrics` gives, by name
    best: tuple[str, str] = ("val/loss", "min")  # metric that the best checkpoint is chosen by, and its mode
    model: Any
    repeats = False  # whether an example may come several times in an epoch

    def __init__(self, *, model: Any, recipe: OptimizationConfig) -> None:
        super().__init__()
        self.model, self.recipe, self.seed = model, recipe, recipe.seed
        self._sums: dict[str, Tensor] = {}
        # (all, per epoch) optimizer steps of the training to come. Lightning's own estimate would set the loaders up
        # before it restores where they stood (lightning 2.6.6), so it is printed when training starts.
        self.length: tuple[float, int] = (1, 1)

    def train(self, mode: bool = True) -> "TaskModule":
        super().train(mode)
        if mode:
            frozen_modules_eval(self.model)
        return self

    def on_train_start(self) -> None:
        self.train()  # Lightning takes the mode of each module as it finds it

    def logged(self, stage: str) -> list[str]:
        """The metrics of a stage ("train" or "val") by the names they are logged under."""
        return [
            f"{stage}/{name}" for name in self.summed(stage) + (self.validation_metric_names if stage == "val" else ())
        ]

    @abstractmethod
    def step(self, batch: Any, batch_idx: int, *, training: bool) -> StepResult:
        """One batch through the model; with augmentation and smoothing only when training."""

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        # Dropout's numbers belong to (seed, epoch, batch, process): nothing that validation or an interruption draws
        # or loses can change them.
        state = fold(self.seed, self.current_epoch, batch_idx, self.global_rank)
        torch.default_generator.manual_seed(state)
        if self.device.type == "cuda":
            torch.cuda.manual_seed(state)
        loss, sums = self.step(batch, batch_idx, training=True)
        self._add("train", sums)
        return loss

    def random(self, indices: Tensor, batch_idx: int, view: int = 0) -> ExampleRandom:
        """The random numbers of a batch of examples (B,); those of another view of the same ones are others.

        They belong to (seed, epoch, example), or where examples repeat to the step and the place in the batch as well.
        """
        seed = fold(self.seed, view) if view else self.seed
        if self.repeats:
            seed = fold(seed, batch_idx)
            indices = indices + (torch.arange(len(indices), device=indices.device) << 32)
        return ExampleRandom(seed=seed, epoch=self.current_epoch, indices=indices, batch=batch_idx)

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self._add("val", self.step(batch, batch_idx, training=False).sums)

    def validation_metrics(self) -> dict[str, float]:
        """Metrics of the validation that ends which are no means over examples, by `validation_metric_names`.

        Called once, by every process, with the same result in each; logged as `val/NAME`.
        """
        return {}

    def _add(self, stage: str, sums: Tensor) -> None:
        # Sums grow over thousands of batches: float64, where the device has it.
        sums = sums.detach() if self.device.type == "mps" else sums.detach().double()
        self._sums[stage] = self._sums[stage] + sums if stage in self._sums else sums

    def _log_means(self, stage: str) -> None:
        if not self.summed(stage):
            return
        sums = self.trainer.strategy.reduce(self._sums.pop(stage), reduce_op="sum")
        means = (sums[:-1] / sums[-1]).float()
        self.log_dict({f"{stage}/{name}": mean for name, mean in zip(self.summed(stage), means, strict=True)})

    def summed(self, stage: str) -> tuple[str, ...]:
        """What a step of "train" or "val" adds up, beside the count."""
        return self.totals

    def on_train_epoch_end(self) -> None:
        self._log_means("train")

    def on_validation_start(self) -> None:
        # Every process evaluates the model that is saved, which is the first one's.
        for buffer in self.model.buffers() if self.trainer.world_size > 1 else ():
            torch.distributed.broadcast(buffer, src=0)

    def on_validation_epoch_start(self) -> None:
        self._sums.pop("val", None)

    def on_validation_epoch_end(self) -> None:
        self._log_means("val")
        self.log_dict({f"val/{name}": value for name, value in self.validation_metrics().items()})

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Half an epoch's sums go along, each process's own, so that the epoch's mean survives an interruption."""
        size = len(self.summed("train")) + 1
        sums = self._sums.get("train", torch.zeros(size, device=self.device))
        gathered = self.trainer.strategy.all_gather(sums).reshape(-1, size)
        checkpoint["train_sums"] = gathered.cpu()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        sums = checkpoint["train_sums"]
        if len(sums) != self.trainer.world_size:  # saved by another number of processes: the first takes all
            sums = torch.cat([sums.sum(0, keepdim=True), sums.new_zeros(self.trainer.world_size - 1, sums.shape[1])])
        if sums[self.global_rank, -1] > 0:
            self._sums["train"] = sums[self.global_rank].to(self.device)

    def amount(self, batch: Any) -> tuple[int, str]:
        """How much a batch holds and of what, for a speed: examples unless the task counts something else."""
        return len(batch.indices), "samples"

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        # A few tensors: the general walk over nested collections costs more than the copies on a CPU.
        return batch if device.type == "cpu" else type(batch)(*(t.to(device, non_blocking=True) for t in batch))

    def groups(self) -> list[dict[str, Any]]:
        """What is trained, in groups as an optimizer takes them."""
        recipe = self.recipe
        return parameter_groups(
            self.model,
            lr=recipe.lr,
            weight_decay=recipe.weight_decay,
            backbone_lr_scale=recipe.backbone_lr_scale,
            layer_lr_decay=recipe.layer_lr_decay,
        )

    def configure_optimizers(self) -> Any:
        recipe = self.recipe
        groups = self.groups()
        try:
            optimizer = recipe.optimizer(groups)
        except (TypeError, ValueError) as error:  # what torch says of a value out of range
            raise RequestError(f"optimizer: {str(error).splitlines()[0]}") from error
        # A fused optimizer offers to undo the scale of 16-mixed inside its step, and Lightning then rejects to clip
        # gradients, in bf16-mixed too. Declined, the scale is undone before the step, as for all other optimizers.
        optimizer._step_supports_amp_scaling = False  # type: ignore[attr-defined]
        total_steps, steps_per_epoch = self.length
        scheduler = recipe.scheduler(optimizer, total_steps=total_steps, steps_per_epoch=steps_per_epoch)
        if not isinstance(scheduler, ReduceLROnPlateau):
            return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}
        monitor, mode = ("val/loss", "min") if "val/loss" in self.logged("val") else self.best
        if mode != scheduler.mode:
            scheduler.load_state_dict(scheduler.state_dict() | {"mode": mode, "best": -scheduler.best})
        settings = {"scheduler": scheduler, "interval": "epoch", "monitor": monitor}
        return {"optimizer": optimizer, "lr_scheduler": settings}
