"""Language modelling: what comes next in running text, with the model's state carried from batch to batch."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sensorium.batches import IGNORED, LanguageBatch
from sensorium.tasks.base import OptimizerFactory, SchedulerFactory, StepResult, Task


class LanguageModelling(Task):
    """The loss is in nats a token. A model with `carries_state` goes on from the state after the batch before; its
    gradient ends there (truncated backpropagation through time).
    """

    totals = ("loss",)

    def __init__(
        self,
        *,
        model: nn.Module,
        optimizer: OptimizerFactory,
        scheduler: SchedulerFactory,
        lr: float,
        weight_decay: float,
        backbone_lr_scale: float,
        seed: int,
    ) -> None:
        super().__init__(
            model=model,
            optimizer=optimizer,
            scheduler=scheduler,
            lr=lr,
            weight_decay=weight_decay,
            backbone_lr_scale=backbone_lr_scale,
            seed=seed,
        )
        self._carries = bool(getattr(model, "carries_state", False))
        self._states: dict[bool, tuple[Tensor, ...] | None] = {}  # by whether it is training

    def step(self, batch: LanguageBatch, batch_idx: int, *, training: bool) -> StepResult:
        state = self._states.get(training) if self._carries else None
        if batch_idx == 0:  # the text from its beginning
            state = None
        if state is not None:
            state = tuple(part[-len(batch.tokens) :] for part in state)  # fewer streams at the end of an evaluation
        logits, state = self.model(batch.tokens, state)
        if self._carries:
            self._states[training] = tuple(part.detach() for part in state)
        loss = F.cross_entropy(logits.float().flatten(0, 1), batch.targets.flatten(), ignore_index=IGNORED)
        count = (batch.targets != IGNORED).sum()
        return StepResult(loss, torch.stack([loss.detach() * count, count]))

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """The carried state goes along, each process's own, so that a resumed run goes on exactly."""
        super().on_save_checkpoint(checkpoint)
        state = self._states.get(True)
        if state is not None:
            gathered = [self.trainer.strategy.all_gather(part) for part in state]
            shapes = [(self.trainer.world_size, *part.shape) for part in state]
            checkpoint["carried"] = [part.reshape(shape).cpu() for part, shape in zip(gathered, shapes, strict=True)]

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_load_checkpoint(checkpoint)
        carried = checkpoint.get("carried")
        if carried and len(carried[0]) == self.trainer.world_size:
            self._states[True] = tuple(part[self.global_rank].to(self.device) for part in carried)
