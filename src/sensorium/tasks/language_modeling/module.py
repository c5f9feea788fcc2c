"""Language modeling: the next token of running text, with the model's state carried from batch to batch."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sensorium.batches import IGNORED, LanguageBatch
from sensorium.errors import RequestError
from sensorium.models.protocols import LanguageModel
from sensorium.nn.state import State, carried
from sensorium.tasks.training_module import OptimizationConfig, StepResult, TaskModule


class LanguageModelingModule(TaskModule):
    """The loss is in nats a token. A model with `carries_state` continues from the state after the previous batch; its
    gradient ends there (truncated backpropagation through time).

    Two penalties can be added in training, for a model whose last outputs go to the head through a module
    `output_dropout` (S. Merity et al. 2018, arXiv 1708.02182, section 4.6; as in their code, means of squares instead
    of norms). What is logged is the loss without them. activation_penalty: what the mean square of the outputs after
    dropout counts. slowness_penalty: what that of their change from one token to the next counts, before dropout. The
    paper takes 2 and 1.

    Raises RequestError for a penalty below 0, or for a model without such a module.
    """

    totals = ("loss",)

    def __init__(
        self,
        *,
        model: LanguageModel,
        recipe: OptimizationConfig,
        activation_penalty: float,
        slowness_penalty: float,
    ) -> None:
        super().__init__(model=model, recipe=recipe)
        self.penalties = (activation_penalty, slowness_penalty)
        self._outputs = _Outputs()
        for name, value in zip(("activation_penalty", "slowness_penalty"), self.penalties, strict=True):
            if not value >= 0:
                raise RequestError(f"task.{name}={value} is not possible. Allowed: a number from 0.")
        if any(self.penalties):
            dropout = getattr(model, "output_dropout", None)
            if not isinstance(dropout, nn.Module):
                raise RequestError(
                    "task.activation_penalty and task.slowness_penalty are for recurrent language models"
                    f" (lstm_lm, gru_lm), and this is {type(model).__name__}."
                )
            dropout.register_forward_hook(self._outputs)
        self._states: dict[bool, State | None] = {}  # by whether it is training

    def amount(self, batch: LanguageBatch) -> tuple[int, str]:
        return batch.tokens.numel(), "tokens"

    def step(self, batch: LanguageBatch, batch_idx: int, *, training: bool) -> StepResult:
        # An epoch reads the text from its beginning.
        state = self._states.get(training) if batch_idx else None
        logits, state = self.model(batch.tokens, carried(self.model, state, len(batch.tokens)))
        self._states[training] = carried(self.model, state, len(batch.tokens))
        loss = F.cross_entropy(logits.float().flatten(0, 1), batch.targets.flatten(), ignore_index=IGNORED)
        counted = batch.targets != IGNORED
        sums = torch.stack([loss.detach() * counted.sum(), counted.sum()])
        if training and any(self.penalties):
            loss = loss + self._penalty(counted)
        return StepResult(loss, sums)

    def _penalty(self, counted: Tensor) -> Tensor:
        """What the outputs of the step cost. counted: (B, T), where there is a token."""
        activation, slowness = self.penalties
        outputs, dropped = self._outputs.take()
        changes = outputs[:, 1:] - outputs[:, :-1]
        both = counted[:, 1:] & counted[:, :-1]
        return activation * _mean_square(dropped, counted) + slowness * _mean_square(changes, both)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """The carried state is saved, each process's own, so that a resumed run continues exactly."""
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


class _Outputs:
    """A forward hook that keeps what a module was given and what it returned, each (B, T, F), in training."""

    def __init__(self) -> None:
        self._kept: tuple[Tensor, Tensor] | None = None

    def __call__(self, module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        self._kept = (inputs[0], output) if module.training else None

    def take(self) -> tuple[Tensor, Tensor]:
        """Both, of the last call; they are kept no longer."""
        assert self._kept is not None
        kept, self._kept = self._kept, None
        return kept


def _mean_square(x: Tensor, counted: Tensor) -> Tensor:
    """The mean over features (B, T, F) of the positions (B, T) that count; 0 when none does."""
    return (x.float().square().mean(2) * counted).sum() / counted.sum().clamp(min=1)
