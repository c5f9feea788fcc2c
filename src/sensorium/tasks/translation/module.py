"""Translation: cross-entropy of the reference, token by token."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sensorium.batches import IGNORED, TranslationBatch
from sensorium.errors import RequestError
from sensorium.tasks.training_module import OptimizationConfig, StepResult, TaskModule


class TranslationModule(TaskModule):
    """The loss is in nats a token of the reference; accuracy is the share of tokens guessed right after the right ones.

    label_smoothing: share of each target spread evenly over the vocabulary, in training. scheduled_sampling: share of
    the reference's tokens that the model reads as its own guesses instead, at the end of training; it grows from 0 in
    a straight line (Bengio et al. 2015, arXiv 1506.03099). The guesses come from a first pass over the reference
    (Mihaylova and Martins 2019, arXiv 1906.07651), so it doubles the cost of a step and works for every model.
    """

    totals = ("loss", "accuracy")
    best = ("val/loss", "min")

    def __init__(
        self,
        *,
        model: nn.Module,
        recipe: OptimizationConfig,
        label_smoothing: float,
        scheduled_sampling: float,
    ) -> None:
        super().__init__(model=model, recipe=recipe)
        if not 0 <= scheduled_sampling <= 1:
            raise RequestError(f"task.scheduled_sampling={scheduled_sampling} is not possible. Take a share, 0 to 1.")
        self.label_smoothing, self.scheduled_sampling = label_smoothing, scheduled_sampling

    def step(self, batch: TranslationBatch, batch_idx: int, *, training: bool) -> StepResult:
        target_in = batch.target_in
        if training and self.scheduled_sampling:
            target_in = self._with_guesses(batch)
        logits = self.model(batch.source, batch.lengths, target_in).float().flatten(0, 1)
        targets = batch.target_out.flatten()
        smoothing = self.label_smoothing if training else 0.0
        loss = F.cross_entropy(logits, targets, ignore_index=IGNORED, label_smoothing=smoothing)
        count = (targets != IGNORED).sum()
        correct = (logits.detach().argmax(1) == targets).sum()
        return StepResult(loss, torch.stack([loss.detach() * count, correct, count]))

    @torch.no_grad()
    def _with_guesses(self, batch: TranslationBatch) -> Tensor:
        """(B, U) target_in, in which some tokens are the model's guesses."""
        done = min(1.0, self.global_step / self.length[0])
        guesses = self.model(batch.source, batch.lengths, batch.target_in).argmax(2)
        shifted = torch.cat([batch.target_in[:, :1], guesses[:, :-1]], dim=1)
        chosen = torch.rand(shifted.shape, device=shifted.device) < self.scheduled_sampling * done
        padding = torch.cat([torch.zeros_like(chosen[:, :1]), batch.target_out[:, :-1] == IGNORED], dim=1)
        chosen[:, 0] = False  # BOS stays
        return torch.where(chosen & ~padding, shifted, batch.target_in)
