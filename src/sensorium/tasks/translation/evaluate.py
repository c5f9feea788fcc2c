"""A trained translation model over a split, or over any texts: beam search, and metrics on whole sentences."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from sensorium.batches import IGNORED, TranslationBatch
from sensorium.data.loader import BatchLoader
from sensorium.decoding.beam import Hypothesis, beam_search
from sensorium.distributed import gather
from sensorium.errors import RequestError, RunError
from sensorium.metrics.translation import bleu, bleu_of_rows, chrf, chrf_of_rows, exact_matches, lacks_ngrams
from sensorium.metrics.uncertainty import Measure, bootstrap_interval
from sensorium.models.protocols import Seq2Seq
from sensorium.specs import TranslationSpec
from sensorium.tasks.base import Evaluation, not_finite
from sensorium.tasks.decoding_settings import BeamSettings
from sensorium.tasks.precision import autocast
from sensorium.text.build_tokenizer import tokenizer_from_dict
from sensorium.text.tokenizer import BOS, EOS, UNK
from sensorium.text.vocabulary import PieceTokenizer

L = TypeVar("L", int, Tensor)
_OF_ROWS = {"bleu": bleu_of_rows, "chrf": chrf_of_rows}


@dataclass(frozen=True)
class TranslationEvaluation(Evaluation):
    """One text of each kind per example; nats and tokens, (N,) float64 and int64, of the references
    under the model. seconds: wall time."""

    compared_by = ("bleu", "chrf")

    sources: Sequence[str]
    hypotheses: list[str]
    references: Sequence[str]
    nats: np.ndarray
    tokens: np.ndarray
    seconds: float

    @cached_property
    def _scores(self) -> dict[str, tuple[float, str]]:
        """BLEU and chrF, with the signature of each."""
        measures = (("bleu", bleu), ("chrf", chrf))
        return {name: measure(self.hypotheses, self.references) for name, measure in measures}

    def signatures(self) -> list[str]:
        return [f"{name}: {signature}" for name, (_, signature) in self._scores.items()]

    def headline_caveat(self) -> str | None:
        if not lacks_ngrams(self.references):
            return None
        return f"no reference has the four tokens that BLEU needs; chrF is {self.metrics['chrf']:.4g}"

    @cached_property
    def metrics(self) -> dict[str, float]:
        """BLEU and chrF from 0 to 100, on raw text; loss in nats per token."""
        return {name: score for name, (score, _) in self._scores.items()} | {
            "exact": float(np.mean(exact_matches(self.hypotheses, self.references))),
            **self._losses(np.arange(self.size)),
        }

    def _losses(self, rows: np.ndarray) -> dict[str, float]:
        loss = float(self.nats[rows].sum()) / int(self.tokens[rows].sum())
        return {"loss": loss, "perplexity": math.exp(min(loss, 700.0))}

    @property
    def size(self) -> int:
        return len(self.hypotheses)

    def measure(self) -> Measure:
        scores = {name: of_rows(self.hypotheses, self.references) for name, of_rows in _OF_ROWS.items()}
        exact = exact_matches(self.hypotheses, self.references)

        def metrics(rows: np.ndarray) -> dict[str, float]:
            found = {name: score(rows) for name, score in scores.items()}
            return found | {"exact": float(exact[rows].mean()), **self._losses(rows)}

        return metrics

    def headline_interval(self) -> tuple[float, float] | None:
        score = bleu_of_rows(self.hypotheses, self.references)
        return bootstrap_interval(score, len(self.hypotheses))


class Translator:
    """A model ready to translate: on its device, in evaluation mode."""

    def __init__(
        self,
        *,
        model: Seq2Seq,
        spec: TranslationSpec,
        device: torch.device,
        precision: str,
        settings: BeamSettings,
    ) -> None:
        self.device, self.precision, self.settings, self.spec = device, precision, settings, spec
        self.model = model.to(device).eval()
        self.source = tokenizer_from_dict(spec.source_tokenizer)
        self.target = tokenizer_from_dict(spec.target_tokenizer)
        if settings.copy_unknown and not all(isinstance(one, PieceTokenizer) for one in (self.source, self.target)):
            raise RequestError(
                "decoding.copy_unknown=true does not apply to this checkpoint: its subword tokens (bpe) spell any word."
            )

    @torch.inference_mode()
    def translate(self, source: Tensor, lengths: Tensor) -> list[list[Hypothesis]]:
        """Source (B, S) ending in EOS, lengths (B,) -> the n best of each, the best first."""
        source, lengths = source.to(self.device), lengths.to(self.device)
        with autocast(self.precision, self.device):
            memory, state = self.model.encode(source, lengths)
            return beam_search(
                self.model,
                memory,
                state,
                bos=BOS,
                eos=EOS,
                pad=self.spec.pad_id,
                beam_size=self.settings.beam_size,
                max_length=self.limit(lengths),
                length_penalty=self.settings.length_penalty,
                no_repeat_ngram=self.settings.no_repeat_ngram,
                n_best=self.settings.n_best,
            )

    def limit(self, lengths: L) -> L:
        """The most tokens of the translations of sentences with so many tokens."""
        return 2 * lengths + 10

    def text(self, hypothesis: Hypothesis, source: str) -> str:
        """A hypothesis as raw text. source: the text that it translates."""
        tokens = hypothesis.tokens
        if not self.settings.copy_unknown or UNK not in tokens:
            return self.target.decode(tokens)
        assert isinstance(self.target, PieceTokenizer)
        return self.target.decode_with(tokens, self._copied(source, tokens))

    def _copied(self, source: str, tokens: list[int]) -> list[str]:
        """The source word for each UNK of a hypothesis: of those that are unknown themselves, if any are, the one that
        the model looks at most when it writes the UNK.
        """
        assert isinstance(self.source, PieceTokenizer)
        ids, words = self.source.encode(source)[: self.spec.max_length - 1], self.source.written(source)
        weights = self.attention([*ids, EOS], tokens)[:, : len(ids)]
        unknown = [place for place, token in enumerate(ids) if token == UNK] or list(range(len(ids)))
        rows = [row for row, token in enumerate(tokens) if token == UNK]
        return [words[unknown[int(weights[row, unknown].argmax())]] for row in rows]

    @torch.inference_mode()
    def attention(self, source: list[int], target: list[int]) -> Tensor:
        """How much each of the target's tokens, and the end behind them, looked at each of the source's: (U, S)."""
        inputs = [torch.tensor([ids], device=self.device) for ids in (source, [BOS, *target])]
        lengths = torch.tensor([len(source)], device=self.device)
        return self.model.attention(inputs[0], lengths, inputs[1])[0].float().cpu()

    @torch.inference_mode()
    def nats(self, batch: TranslationBatch) -> list[float]:
        """Of each reference."""
        with autocast(self.precision, self.device):
            logits = self.model(*(tensor.to(self.device) for tensor in batch.inputs))
        targets = batch.target_out.to(self.device).flatten()
        losses = F.cross_entropy(logits.float().flatten(0, 1), targets, ignore_index=IGNORED, reduction="none")
        nats: list[float] = losses.double().view(batch.target_out.shape).sum(dim=1).tolist()
        return nats


def evaluate(translator: Translator, loader: BatchLoader) -> TranslationEvaluation:
    """Every example of the loader's split exactly once, in the order of the split.

    Over several processes each takes its share of the batches and all get the whole result.
    """
    started = time.perf_counter()
    parts: list[tuple[int, str, float, int]] = []
    split = loader.split
    for batch in loader:
        best = translator.translate(batch.source, batch.lengths)
        tokens = (batch.target_out != IGNORED).sum(dim=1).tolist()
        rows = zip(batch.indices.tolist(), best, translator.nats(batch), tokens, strict=True)
        for row, found, nats, length in rows:
            if not found:
                raise RunError(not_finite(split.names[row]))
            parts.append((row, translator.text(found[0], split.source_texts[row]), nats, length))
    _, hypotheses, nats_of, tokens_of = zip(*sorted(gather(parts, processes=loader.processes)), strict=True)
    return TranslationEvaluation(
        sources=split.source_texts,
        hypotheses=list(hypotheses),
        references=split.references,
        nats=np.array(nats_of, dtype=np.float64),
        tokens=np.array(tokens_of, dtype=np.int64),
        seconds=time.perf_counter() - started,
    )
