"""Recordings -> transcripts, with the time of each word. Long ones are processed in overlapping windows."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from sensorium.audio.features import Features
from sensorium.audio.read import UnreadableAudio, chunks, probe
from sensorium.data.audio.store import padded
from sensorium.decoding.ctc import BLANK, CTCHypothesis
from sensorium.models.protocols import CTCRecognizer
from sensorium.output import Record
from sensorium.specs import SpeechRecognitionSpec
from sensorium.tasks.audio_inputs import AudioReader, RawAudio, Source, sources
from sensorium.tasks.base import LoadedModel, Prediction, PredictOptions, Predictor, not_finite
from sensorium.tasks.decoding_settings import CTCSettings, settings_from
from sensorium.tasks.speech_recognition.evaluate import Transcriber
from sensorium.tasks.speech_recognition.subtitles import SUBTITLES

LONG = 30.0  # seconds; a longer recording is processed in windows
PIECE, OVERLAP = 20.0, 4.0  # seconds of a piece, and what it shares with the one before
PAUSE = 0.4  # seconds without a token, at which a long recording may be cut into utterances
UNSURE = 0.5  # confidence below which a word is marked
SHORTEST, LONGEST = 5.0, 30.0  # seconds of such an utterance, as far as its pauses let it


class Word(NamedTuple):
    """A word, its beginning and end in seconds, and how sure it is: the probability that it is right, or without a
    calibration the geometric mean of its tokens' probabilities. unsure: whether that is below the threshold.
    """

    word: str
    start: float
    end: float
    confidence: float
    unsure: bool = False


@dataclass(frozen=True)
class Transcript(Prediction):
    """alternatives: the n best with their scores, the best first, of a short recording. seconds: of audio.
    marked: whether unsure words are marked in a table.
    """

    text: str = ""
    words: tuple[Word, ...] = ()
    alternatives: tuple[tuple[str, float], ...] = ()
    seconds: float = 0.0
    marked: bool = False

    def to_dict(self) -> Record:
        if self.error is not None:
            return {"input": self.input, "error": self.error}
        record: Record = {"input": self.input, "seconds": round(self.seconds, 3), "text": self.text}
        if len(self.alternatives) > 1:
            record["alternatives"] = [{"text": text, "score": score} for text, score in self.alternatives]
        return record | {"words": [word._asdict() for word in self.words]}

    def as_text(self, form: str) -> str:
        if form not in SUBTITLES:
            return super().as_text(form)
        return SUBTITLES[form](self.words)

    def rows(self) -> list[Record]:
        words = "|".join(f"{word.word} {word.confidence:.4f}" for word in self.words)
        unsure = "" if self.error else sum(word.unsure for word in self.words)
        return [{"input": self.input, "text": self.text, "words": words, "unsure": unsure, "error": self.error or ""}]

    def summary(self) -> Record:
        return {"input": self.input, "text": self.shown}

    @property
    def shown(self) -> str:
        """The text as a person reads it, with what is unsure in brackets where that was asked for."""
        if not self.marked:
            return self.text
        return " ".join(f"[{word.word}?]" if word.unsure else word.word for word in self.words)


class SpeechPredictor(Predictor):
    """A recognizer ready to transcribe."""

    def __init__(self, model: LoadedModel, options: PredictOptions) -> None:
        spec: SpeechRecognitionSpec = model.spec
        self.batch_size, self.words = options.batch_size, options.details
        self.marked = options.threshold is not None
        self.threshold = UNSURE if options.threshold is None else options.threshold
        self.sample_rate = int(spec.features["sample_rate"])
        self.transcriber = Transcriber(
            model=model.model,
            spec=spec,
            device=model.device,
            precision=model.precision,
            settings=settings_from(CTCSettings, {**model.decoding, **options.decoding}),
            calibration=model.calibration,
        )
        self.reader = AudioReader(sample_rate=self.sample_rate)
        self.frame = frame_seconds(self.transcriber.model, Features(**spec.features))

    def predict(self, inputs: Iterable[RawAudio]) -> Iterator[Transcript]:
        waiting: list[tuple[str, Source | UnreadableAudio]] = []
        for name, source in sources(inputs):
            if _seconds(source) > LONG and not isinstance(source, UnreadableAudio):
                yield from self._short(waiting)
                waiting = []
                yield self._long(name, source)
            else:
                waiting.append((name, source))
                if len(waiting) == self.batch_size:
                    yield from self._short(waiting)
                    waiting = []
        yield from self._short(waiting)

    def notes(self) -> list[str]:
        return [*self.transcriber.notes, *self.reader.notes()]

    def _short(self, recordings: list[tuple[str, Source | UnreadableAudio]]) -> Iterator[Transcript]:
        for found in self.reader.batches(recordings, batch_size=self.batch_size):
            sounds = [sound for _, sound in found if isinstance(sound, np.ndarray)]
            answers: Iterator[tuple[Tensor, list[CTCHypothesis]]] = iter(())
            if sounds:
                log_probs, lengths = self.transcriber.log_probs(*map(torch.from_numpy, padded(sounds)))
                best = self.transcriber.search(log_probs, lengths)
                rows = [row[:length] for row, length in zip(log_probs, lengths.tolist(), strict=True)]
                answers = zip(rows, best, strict=True)
            for name, sound in found:
                if isinstance(sound, UnreadableAudio):
                    yield Transcript(name, error=f"{name}: {sound}")
                    continue
                row, n_best = next(answers)
                if row.isnan().any():
                    yield Transcript(name, error=not_finite(name))
                    continue
                yield Transcript(
                    name,
                    text=self.transcriber.text(n_best[0]),
                    words=self._words(row, n_best[0], 0.0) if self.words else (),
                    alternatives=tuple((self.transcriber.text(one), one.score) for one in n_best),
                    seconds=len(sound) / self.sample_rate,
                    marked=self.marked,
                )

    def _long(self, name: str, source: Source) -> Transcript:
        """In windows; memory grows with the transcript, not with the audio."""
        texts: list[str] = []
        words: list[Word] = []
        try:
            self.reader.check(name, source)
            for start, log_probs in self._utterances(self._frames_of(source)):
                best = self.transcriber.search(log_probs[None], torch.tensor([len(log_probs)]))[0][0]
                texts.append(self.transcriber.text(best))
                words += self._words(log_probs, best, start)
                if log_probs.isnan().any():
                    return Transcript(name, error=not_finite(name))
        except UnreadableAudio as error:
            return Transcript(name, error=f"{name}: {error}")
        text = " ".join(filter(None, texts))
        return Transcript(name, text, tuple(words), seconds=_seconds(source), marked=self.marked)

    def _frames_of(self, source: Source) -> Iterator[Tensor]:
        """Log-probabilities (t, V), one after another: of each piece the middle, which knows what is around it."""
        given = 0  # frames so far
        size, half = round(PIECE * self.sample_rate), round(OVERLAP / 2 / self.frame)
        for start, samples in chunks(source, sample_rate=self.sample_rate, seconds=PIECE, overlap=OVERLAP):
            log_probs, _ = self.transcriber.log_probs(torch.from_numpy(samples)[None], torch.tensor([len(samples)]))
            first = round(start / self.sample_rate / self.frame)
            until = log_probs.shape[1] - (half if len(samples) == size else 0)
            yield log_probs[0, max(0, given - first) : until]
            given = max(given, first + until)

    def _utterances(self, frames: Iterator[Tensor]) -> Iterator[tuple[float, Tensor]]:
        """Frames cut at pauses: the second each utterance begins at, and its log-probabilities (T, V)."""
        start, pending = 0, torch.empty(0)
        for more in frames:
            pending = torch.cat([pending, more]) if len(pending) else more
            while cut := self._cut(pending):
                yield start * self.frame, pending[:cut]
                start, pending = start + cut, pending[cut:]
        if len(pending):
            yield start * self.frame, pending

    def _cut(self, log_probs: Tensor) -> int:
        """Frames of the first utterance, which ends within a pause; 0 when its end is not there yet."""
        shortest, longest = round(SHORTEST / self.frame), round(LONGEST / self.frame)
        pause = max(1, round(PAUSE / self.frame))
        if len(log_probs) < shortest + pause:
            return 0
        run = best_run = best_end = 0
        for frame, silent in enumerate((log_probs[: longest + pause].argmax(1) == BLANK).tolist()):
            run = run + 1 if silent else 0
            if frame < shortest:
                continue
            if run == pause:
                return frame + 1 - pause // 2
            if run >= best_run:
                best_run, best_end = run, frame + 1
        return best_end - best_run // 2 if len(log_probs) >= longest + pause else 0

    def _words(self, log_probs: Tensor, best: CTCHypothesis, start: float) -> tuple[Word, ...]:
        """With their times in the recording, to the millisecond. start: the second at which log_probs (T, V) begin."""
        return tuple(
            Word(
                one.word,
                round(start + one.start * self.frame, 3),
                round(start + one.end * self.frame, 3),
                one.confidence,
                one.confidence < self.threshold,
            )
            for one in self.transcriber.words(log_probs, best)
        )


def frame_seconds(model: CTCRecognizer, prepare: Features) -> float:
    """Seconds of audio per frame of a recognizer's log-probabilities."""
    many = 10_000
    stride = round(many / int(model.output_lengths(torch.tensor([many]))))
    return stride * prepare.hop_samples / prepare.sample_rate


def _seconds(source: Source | UnreadableAudio) -> float:
    """0 for a file that cannot be read: reading it gives the reason."""
    if isinstance(source, UnreadableAudio):
        return 0.0
    try:
        info = probe(source)
    except UnreadableAudio:
        return 0.0
    return info.samples / info.sample_rate
