"""Language modelling: what comes next in running text, with the model's state carried from batch to batch."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from sensorium.batches import IGNORED, LanguageBatch
from sensorium.nn.state import State, carried
from sensorium.tasks.base import Recipe, StepResult, Task


class LanguageModelling(Task):
    """The loss is in nats a token. A model with `carries_state` goes on from the state after the batch before; its
    gradient ends there (truncated backpropagation through time).
    """

    totals = ("loss",)

    def __init__(
        self,
        *,
        model: nn.Module,
        recipe: Recipe,
    ) -> None:
        super().__init__(model=model, recipe=recipe)
        self._states: dict[bool, State | None] = {}  # by whether it is training

    def step(self, batch: LanguageBatch, batch_idx: int, *, training: bool) -> StepResult:
        # An epoch reads the text from its beginning.
        state = self._states.get(training) if batch_idx else None
        logits, state = self.model(batch.tokens, carried(self.model, state, len(batch.tokens)))
        self._states[training] = carried(self.model, state, len(batch.tokens))
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
