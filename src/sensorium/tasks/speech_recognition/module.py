"""Speech recognition: connectionist temporal classification (CTC) of frames into tokens.

A. Graves, S. Fernández, F. Gomez and J. Schmidhuber, "Connectionist temporal classification: labeling unsegmented
sequence data with recurrent neural networks", ICML 2006.
"""

import torch
import torch.nn.functional as F
from torch import nn

from sensorium.batches import SpeechBatch
from sensorium.decoding.ctc import BLANK, greedy_tokens
from sensorium.metrics.edit_distance import edit_distances
from sensorium.tasks.preprocessing import Preparation
from sensorium.tasks.training_module import OptimizationConfig, StepResult, TaskModule


class SpeechRecognitionModule(TaskModule):
    """The loss is in nats a token of the transcript; the token error is the share of tokens that greedy search gets
    wrong (edit distance over length), which no language model mends: of characters, the character error rate.
    """

    totals = ("loss", "token_error")
    best = ("val/token_error", "min")

    def __init__(self, *, model: nn.Module, preparation: Preparation, recipe: OptimizationConfig) -> None:
        super().__init__(model=model, recipe=recipe)
        self.preparation = preparation

    def step(self, batch: SpeechBatch, batch_idx: int, *, training: bool) -> StepResult:
        if training and self.preparation.augments:
            random = self.random(batch.indices, batch_idx)
            inputs, _ = self.preparation.augmented(batch.inputs, batch.targets, random)
        else:
            inputs = self.preparation(*batch.inputs)
        log_probs, lengths = self.model(*inputs)
        log_probs = log_probs.float()
        nats = F.ctc_loss(
            log_probs.transpose(0, 1), batch.targets, lengths, batch.target_lengths, blank=BLANK, reduction="none"
        ).sum()
        count = batch.target_lengths.sum()
        found, found_lengths = greedy_tokens(log_probs.detach(), lengths)
        wrong = edit_distances(found, found_lengths, batch.targets, batch.target_lengths).sum()
        return StepResult(nats / count, torch.stack([nats.detach(), wrong.to(nats.dtype), count.to(nats.dtype)]))
