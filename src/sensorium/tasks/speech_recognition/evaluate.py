"""A trained recognizer over a split, or over any recordings: log-probabilities, decoding, and WER."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sensorium.audio.features import Features
from sensorium.batches import SpeechBatch
from sensorium.data.loader import BatchLoader
from sensorium.decoding.alignment import WordTime, align_words
from sensorium.decoding.ctc import CTCHypothesis
from sensorium.decoding.ctc_decoder import CTCDecoder
from sensorium.distributed import gather
from sensorium.metrics.calibration import BinnedGaps, log_odds, measured_error, scaled_scores
from sensorium.metrics.recognition import character_errors, right_words, total, word_errors
from sensorium.metrics.uncertainty import Interval, Measure, bootstrap_interval
from sensorium.models.exported import ExportedModel
from sensorium.models.protocols import CTCRecognizer
from sensorium.specs import SpeechRecognitionSpec
from sensorium.tasks.base import Evaluation
from sensorium.tasks.calibration import Calibration
from sensorium.tasks.decoding_settings import CTCSettings
from sensorium.tasks.precision import autocast
from sensorium.tasks.preprocessing import AsStored
from sensorium.text.build_tokenizer import tokenizer_from_dict


class SureWord(NamedTuple):
    """A word of a hypothesis, and the probability that it is right."""

    text: str
    confidence: float


class SureWords(NamedTuple):
    """confidence, right: (M,) float64 and bool, of words. utterances: (M,) int64, the number of that of each."""

    confidence: np.ndarray
    right: np.ndarray
    utterances: np.ndarray

    def gaps(self) -> BinnedGaps:
        """Confidence less share of right words, by utterance."""
        return BinnedGaps(self.confidence, self.right, self.utterances)


@dataclass(frozen=True)
class RecognitionEvaluation(Evaluation):
    """One of each for every example. speakers: "" where unknown. nats, tokens: (N,) float64 and int64, of the
    references. audio: seconds of audio. seconds: wall time of reading, recognizing and searching. words: of each
    hypothesis, with the confidence in each.
    """

    compared_by = ("wer", "cer")

    hypotheses: list[str]
    references: Sequence[str]
    speakers: Sequence[str]
    nats: np.ndarray
    tokens: np.ndarray
    audio: float
    seconds: float
    words: Sequence[Sequence[SureWord]] = ()

    @cached_property
    def metrics(self) -> dict[str, float]:
        """Rates as shares (0.05 is 5%), counts of words, the calibration error of words, loss in nats a token, seconds
        of work per second of audio.
        """
        words = total(word_errors(self.references, self.hypotheses))
        characters = total(character_errors(self.references, self.hypotheses))
        return {
            "wer": words.rate,
            "cer": characters.rate,
            "substitutions": float(words.substitutions),
            "insertions": float(words.insertions),
            "deletions": float(words.deletions),
            **({"calibration_error": self.sure_words.gaps().error()} if len(self.sure_words.right) else {}),
            "loss": float(self.nats.sum()) / max(1, int(self.tokens.sum())),
            "real_time_factor": self.seconds / max(1e-9, self.audio),
        }

    @cached_property
    def sure_words(self) -> "SureWords":
        """Every word that was written."""
        texts = [" ".join(word.text for word in words) for words in self.words]
        right = right_words(self.references[: len(texts)], texts)
        counts = [len(words) for words in self.words]
        return SureWords(
            confidence=np.array([word.confidence for words in self.words for word in words], dtype=np.float64),
            right=np.array([one for words in right for one in words], dtype=bool),
            utterances=np.repeat(np.arange(len(counts)), counts),
        )

    @property
    def size(self) -> int:
        return len(self.hypotheses)

    def intervals(self, resamples: int) -> dict[str, Interval]:
        """With that of the calibration error."""
        found, gaps = super().intervals(resamples), self.sure_words.gaps()
        return found | ({"calibration_error": measured_error(gaps, resamples=resamples)[1:]} if gaps.size > 1 else {})

    def measure(self) -> Measure:
        aligned = (word_errors(self.references, self.hypotheses), character_errors(self.references, self.hypotheses))
        counts = np.array([[(one.count, one.length) for one in errors] for errors in aligned], dtype=np.int64)

        def metrics(rows: np.ndarray) -> dict[str, float]:
            (wrong_words, words), (wrong_characters, characters) = counts[:, rows].sum(axis=1).tolist()
            return {
                "wer": wrong_words / max(1, words),
                "cer": wrong_characters / max(1, characters),
                "loss": float(self.nats[rows].sum()) / max(1, int(self.tokens[rows].sum())),
            }

        return metrics

    def headline_interval(self) -> tuple[float, float] | None:
        measure = self.measure()
        return bootstrap_interval(lambda rows: measure(rows)["wer"], self.size)


class Transcriber:
    """A model ready to recognize speech: on its device, in evaluation mode. notes: on the words it may write."""

    def __init__(
        self,
        *,
        model: CTCRecognizer,
        spec: SpeechRecognitionSpec,
        device: torch.device,
        precision: str,
        settings: CTCSettings,
        calibration: Calibration | None = None,
    ) -> None:
        self.device, self.precision = device, precision
        self.model = model.to(device).eval()
        self.scaling = calibration.scaling if calibration else None
        inside = isinstance(model, ExportedModel)  # its graph has the preprocessing
        self.prepare: nn.Module = AsStored() if inside else Features(**spec.features).to(device)
        self.tokenizer = tokenizer_from_dict(spec.tokenizer)
        words = settings.read(spec.language_model, self.tokenizer)
        self.notes = words.notes
        self.decoder = CTCDecoder(
            tokens=self.tokenizer.tokens,
            decode=lambda ids: self.tokenizer.decode(list(ids)),
            beam_size=settings.beam_size,
            language_model=words.arpa,
            language_weight=settings.language_weight,
            word_score=settings.word_score,
            lexicon=words.lexicon,
            n_best=settings.n_best,
        )

    @torch.inference_mode()
    def log_probs(self, signal: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """A batch's `inputs` -> log-probabilities (B, T', V) float32 and lengths (B,), on the CPU."""
        prepared = self.prepare(signal.to(self.device), lengths.to(self.device))
        with autocast(self.precision, self.device):
            log_probs, frames = self.model(*prepared)
        return log_probs.float().cpu(), frames.cpu()

    def search(self, log_probs: Tensor, lengths: Tensor) -> list[list[CTCHypothesis]]:
        """Log-probabilities (B, T', V) on the CPU, lengths (B,) -> the n best of each, the best first."""
        return self.decoder.decode(log_probs, lengths)

    def text(self, hypothesis: CTCHypothesis) -> str:
        """The transcript of a hypothesis."""
        return self.tokenizer.decode(list(hypothesis.tokens)).strip()

    def words(self, log_probs: Tensor, hypothesis: CTCHypothesis) -> list[WordTime]:
        """When each word was spoken, and how sure it is: with a calibration, the probability that it is right.

        log_probs: (T, V) of the utterance, on the CPU.
        """
        found = align_words(log_probs, hypothesis.tokens, self.tokenizer.decode)
        if self.scaling is None or not found:
            return found
        odds = log_odds(np.array([word.confidence for word in found]))
        corrected = scaled_scores(odds, self.scaling).tolist()
        return [word._replace(confidence=p) for word, p in zip(found, corrected, strict=True)]


def evaluate(transcriber: Transcriber, loader: BatchLoader) -> RecognitionEvaluation:
    """Every example of the loader's split exactly once, in the order of the split.

    Over several processes each takes its share of the batches and all get the whole result.
    """
    started = time.perf_counter()
    parts: list[tuple[int, str, float, int, list[SureWord]]] = []
    for batch in loader:
        log_probs, lengths = transcriber.log_probs(*batch.inputs)
        best = transcriber.search(log_probs, lengths)
        texts = [transcriber.text(n_best[0]) for n_best in best]
        nats, tokens = _nats(log_probs, lengths, batch), batch.target_lengths.tolist()
        rows = zip(log_probs, lengths.tolist(), best, strict=True)
        words = [_sure_words(transcriber.words(row[:length], n_best[0])) for row, length, n_best in rows]
        parts += zip(batch.indices.tolist(), texts, nats, tokens, words, strict=True)
    _, hypotheses, nats_of, tokens_of, words_of = zip(*sorted(gather(parts, processes=loader.processes)), strict=True)
    split = loader.split
    return RecognitionEvaluation(
        hypotheses=list(hypotheses),
        references=split.texts,
        speakers=split.speakers,
        nats=np.array(nats_of, dtype=np.float64),
        tokens=np.array(tokens_of, dtype=np.int64),
        audio=float(split.durations.sum()),
        seconds=time.perf_counter() - started,
        words=list(words_of),
    )


def _sure_words(found: list[WordTime]) -> list[SureWord]:
    """A token may have white space inside: its words share a confidence."""
    return [SureWord(text, word.confidence) for word in found for text in word.word.split()]


def _nats(log_probs: Tensor, lengths: Tensor, batch: SpeechBatch) -> list[float]:
    """Of each reference."""
    losses = F.ctc_loss(log_probs.transpose(0, 1), batch.targets, lengths, batch.target_lengths, reduction="none")
    nats: list[float] = losses.double().tolist()
    return nats
