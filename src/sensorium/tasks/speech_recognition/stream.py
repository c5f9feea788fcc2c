"""Streaming recognition: partial transcripts while audio comes in."""

import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sensorium import output
from sensorium.audio.features import Features
from sensorium.audio.stream import FeatureStream
from sensorium.decoding.ctc import BLANK
from sensorium.errors import RequestError, RunError
from sensorium.models.protocols import StreamingCTC
from sensorium.output import Record
from sensorium.specs import SpeechRecognitionSpec
from sensorium.tasks.audio_inputs import CHUNK
from sensorium.tasks.base import LoadedModel
from sensorium.tasks.live import Live
from sensorium.tasks.precision import autocast
from sensorium.tasks.speech_recognition.predict import frame_seconds
from sensorium.text.build_tokenizer import tokenizer_from_dict

SILENCE = 1.0  # seconds without a token that end an utterance


@dataclass(frozen=True)
class PartialTranscript:
    """The state after a chunk of audio. text: of this utterance so far. done: whether the utterance is over.

    seconds: of audio so far. latency: seconds of work on this chunk.
    """

    text: str
    done: bool
    seconds: float
    latency: float

    def to_dict(self) -> Record:
        """As a line of JSON."""
        record: Record = {"seconds": round(self.seconds, 3), "text": self.text, "done": self.done}
        return record | {"latency": round(self.latency, 5)}


class LiveTranscriber(Live):
    """A recognizer that transcribes while audio comes in. Its text is that of greedy search over the whole recording.

    Raises RequestError for a model that needs the whole recording.
    """

    def __init__(self, model: LoadedModel) -> None:
        spec: SpeechRecognitionSpec = model.spec
        if not isinstance(model.model, StreamingCTC):
            raise RequestError(
                "stream=true: this model needs the whole recording. Omit stream, or train "
                "model=streaming_rnn dataset.features.normalise=running."
            )
        self.sample_rate = int(spec.features["sample_rate"])
        self._loaded, self._model = model, model.model.to(model.device).eval()
        prepare = Features(**spec.features).to(model.device)
        self._features = FeatureStream(prepare)
        self._tokenizer = tokenizer_from_dict(spec.tokenizer)
        self._silence = round(SILENCE / frame_seconds(self._model, prepare))
        self._state: object = None
        self._tokens: list[int] = []
        self._before, self._silent, self._samples = BLANK, 0, 0
        self._shown = ""  # the text of the last record

    def listen(self, chunks: Iterable[np.ndarray]) -> Iterator[PartialTranscript]:
        """Chunks (n,) float32 of any length -> the state after each, and after the end."""
        for samples in chunks:
            yield self._push(samples)
        yield self._finish()

    def push(self, samples: np.ndarray) -> list[Record]:
        return self._if_new(self._push(samples))

    def finish(self) -> list[Record]:
        return self._if_new(self._finish())

    def _if_new(self, partial: PartialTranscript) -> list[Record]:
        """The transcript as a record when it grew, or when an utterance is over."""
        changed = partial.text != self._shown or (partial.done and partial.text != "")
        self._shown = "" if partial.done else partial.text
        return [partial.to_dict()] if changed else []

    def _finish(self) -> PartialTranscript:
        started = time.perf_counter()
        last = self._log_probs(self._features.finish())
        with torch.inference_mode(), autocast(self._loaded.precision, self._loaded.device):
            flushed = self._model.flush(self._state) if self._state is not None else last
        for log_probs in (last, flushed) if flushed is not last else (last,):
            self._append(log_probs)
        return self._result(started, done=True)

    @torch.inference_mode()
    def _push(self, samples: np.ndarray) -> PartialTranscript:
        started = time.perf_counter()
        self._samples += len(samples)
        self._append(self._log_probs(self._features.push(torch.from_numpy(samples).to(self._loaded.device))))
        return self._result(started, done=self._silent >= self._silence and bool(self._tokens))

    def _result(self, started: float, *, done: bool) -> PartialTranscript:
        text = self._tokenizer.decode(self._tokens).strip()
        if done:
            self._tokens = []
        return PartialTranscript(text, done, self._samples / self.sample_rate, time.perf_counter() - started)

    @torch.inference_mode()
    def _log_probs(self, features: Tensor) -> Tensor:
        """(1, t', V) that are certain after these features (1, t, F)."""
        with autocast(self._loaded.precision, self._loaded.device):
            log_probs, self._state = self._model.stream(features, self._state)
        return log_probs

    def _append(self, log_probs: Tensor) -> None:
        """Equal neighbors are one token, and blanks none, across chunks as within them."""
        if log_probs.isnan().any():
            raise RunError("The model's output is not a number (NaN); its weights are damaged, or the audio is.")
        for token in log_probs[0].argmax(1).tolist():
            if token not in (BLANK, self._before):
                self._tokens.append(token)
            self._silent = self._silent + 1 if token == BLANK else 0
            self._before = token


def write_partial_transcripts(
    live: LiveTranscriber, chunks: Iterable[np.ndarray], *, kind: str, output_file: str | None
) -> None:
    """Writes the transcript after each chunk in which it grew; on a terminal in one line, which is overwritten."""
    before, slowest = "", 0.0
    with output.opened(output_file) as file:
        overwrite = file.isatty()
        for partial in live.listen(chunks):
            slowest = max(slowest, partial.latency)
            if partial.text != before or (partial.done and partial.text):
                file.write(_line(partial, kind, overwrite=overwrite))
                file.flush()
            before = "" if partial.done else partial.text
    print(f"slowest chunk of {CHUNK * 1000:.0f} ms: {slowest * 1000:.1f} ms of work", file=sys.stderr)


def _line(partial: PartialTranscript, kind: str, *, overwrite: bool) -> str:
    if kind == "jsonl":
        return output.as_json(partial.to_dict())
    if overwrite:
        return f"\r\x1b[K{partial.text}" + ("\n" if partial.done else "")
    mark = "." if partial.done else " "
    return f"{partial.seconds:8.1f} s  {partial.latency * 1000:5.1f} ms {mark} {partial.text}\n"
