"""A trained language model over running text: cross-entropy in nats per token."""

import math
import time
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from sensorium.batches import IGNORED
from sensorium.data.loader import BatchLoader
from sensorium.errors import RequestError
from sensorium.metrics.uncertainty import Measure, bootstrap_interval
from sensorium.models.protocols import LanguageModel
from sensorium.nn.state import State, carried
from sensorium.tasks.base import Evaluation
from sensorium.tasks.precision import autocast

MOST_WORST = 100  # tokens that worst_tokens.csv lists


@dataclass(frozen=True)
class LanguageEvaluation(Evaluation):
    """nats: of all tokens together. tokens, characters, bytes: that they are for. seconds: wall time of the pass.
    stretches: (M, 2) float64, nats and tokens of each segment that was read at once. worst: (W, 2) float64, rows of the
    split and nats of the tokens that were the least likely, the worst first.
    """

    compared_by = ("perplexity", "bits_per_byte")

    nats: float
    tokens: int
    characters: int
    bytes: int
    seconds: float
    stretches: np.ndarray
    worst: np.ndarray = field(default_factory=lambda: np.zeros((0, 2)))

    @cached_property
    def metrics(self) -> dict[str, float]:
        """loss is in nats a token; a character or a byte compares between tokenizers."""
        return self._metrics(self.nats / self.tokens)

    def _metrics(self, loss: float) -> dict[str, float]:
        """Of nats a token. Characters and bytes a token are taken as those of the whole text."""
        per_character, per_byte = (loss * self.tokens / units for units in (self.characters, self.bytes))
        return {
            "loss": loss,
            "perplexity": math.exp(min(loss, 700.0)),
            "nats_per_character": per_character,
            "bits_per_character": per_character / math.log(2),
            "bits_per_byte": per_byte / math.log(2),
        }

    @property
    def size(self) -> int:
        return len(self.stretches)

    def measure(self) -> Measure:
        """Of stretches, not of tokens: those that follow each other are alike."""

        def metrics(rows: np.ndarray) -> dict[str, float]:
            nats, tokens = self.stretches[rows].sum(axis=0).tolist()
            return self._metrics(nats / tokens)

        return metrics

    def compared(self, other: "LanguageEvaluation", resamples: int = 1000) -> dict[str, float]:
        """Raises RequestError for a model that reads the text in other segments."""
        if not np.array_equal(self.stretches[:, 1], other.stretches[:, 1]):
            raise RequestError(
                "compare: the two models read the text in different segments (another tokenizer or context), which"
                " cannot be paired. Evaluate each with bootstrap=1000 and compare bits_per_byte."
            )
        return super().compared(other, resamples)

    def headline_interval(self) -> tuple[float, float] | None:
        measure = self.measure()
        return bootstrap_interval(lambda rows: measure(rows)["perplexity"], self.size)


class LanguageEvaluator:
    """A model ready to evaluate text: on its device, in evaluation mode."""

    def __init__(self, *, model: LanguageModel, device: torch.device, precision: str) -> None:
        self.device, self.precision = device, precision
        self.model = model.to(device).eval()

    @torch.inference_mode()
    def nats(self, tokens: Tensor, targets: Tensor, state: State | None) -> tuple[Tensor, State | None]:
        """Tokens and targets (B, T) -> (B, T) float64 nats of the targets, 0 for uncounted ones; the next state."""
        with autocast(self.precision, self.device):
            logits, state = self.model(tokens.to(self.device), carried(self.model, state, len(tokens)))
        losses = F.cross_entropy(
            logits.float().flatten(0, 1), targets.to(self.device).flatten(), ignore_index=IGNORED, reduction="none"
        )
        return losses.view(targets.shape).cpu().double(), state


def evaluate(evaluator: LanguageEvaluator, loader: BatchLoader) -> LanguageEvaluation:
    """Every token of the loader's split exactly once, in order. Every process does the whole of it."""
    started = time.perf_counter()
    parts: list[Tensor] = []
    state: State | None = None
    split, worst = loader.split, np.zeros((0, 2))
    for batch in loader:
        nats, state = evaluator.nats(batch.tokens, batch.targets, state)
        counted = batch.targets != IGNORED
        parts.append(torch.stack([nats.sum(dim=1), counted.sum(dim=1).double()], dim=1))
        first = (batch.indices - split.history).clamp(min=0)
        rows = (first[:, None] + torch.arange(nats.shape[1]))[counted].double()
        worst = _worst(np.concatenate([worst, torch.stack([rows, nats[counted]], dim=1).numpy()]))
    stretches = torch.cat(parts).numpy()
    stretches = stretches[stretches[:, 1] > 0]
    total, tokens = stretches.sum(axis=0).tolist()
    return LanguageEvaluation(
        total,
        int(tokens),
        split.num_characters,
        split.num_bytes,
        time.perf_counter() - started,
        stretches,
        worst,
    )


def _worst(found: np.ndarray) -> np.ndarray:
    """The `MOST_WORST` rows (N, 2) with the most nats, the first of equal ones."""
    return found[np.lexsort((found[:, 0], -found[:, 1]))[:MOST_WORST]]
