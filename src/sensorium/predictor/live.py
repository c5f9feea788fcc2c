"""Sound as it comes, in small pieces: transcripts that grow, and commands as they are spotted."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sensorium.audio.features import Features
from sensorium.audio.stream import FeatureStream
from sensorium.build import make_prepare
from sensorium.decoding.ctc import BLANK
from sensorium.errors import RequestError
from sensorium.evaluator.arithmetic import autocast
from sensorium.evaluator.classification import Classifier
from sensorium.predictor.opened import Opened
from sensorium.predictor.speech import frame_seconds
from sensorium.specs import SoundSpec, SpeechSpec
from sensorium.text.build_tokenizer import tokenizer_from_dict

PIECE = 0.1  # seconds of sound that are taken in at once
SILENCE = 1.0  # seconds without a token that end an utterance
WINDOW = 1.0  # seconds of sound in which a command is looked for
REST = 0.5  # seconds after a command in which it is not reported again
NO_COMMAND = ("unknown", "silence", "_unknown_", "_silence_")  # classes that are not commands


@dataclass(frozen=True)
class Heard:
    """What is known after a piece of sound. text: of this utterance so far. done: whether the utterance is over.

    seconds: of sound so far. latency: seconds of work on this piece.
    """

    text: str
    done: bool
    seconds: float
    latency: float


class LiveTranscriber:
    """A recogniser that writes while it listens. Its text is that of greedy search over the whole recording.

    Raises RequestError for a model that has to hear all before it can say anything.
    """

    def __init__(self, opened: Opened) -> None:
        assert isinstance(opened.spec, SpeechSpec)
        if not hasattr(opened.model, "stream"):
            raise RequestError(
                "stream=true: this model hears a recording as a whole. Leave it out, or train "
                "model=streaming_rnn dataset.features.normalise=running."
            )
        self.sample_rate = int(opened.spec.features["sample_rate"])
        self._opened, self._model = opened, opened.model.to(opened.device).eval()
        prepare = make_prepare(opened.spec).to(opened.device)
        assert isinstance(prepare, Features)
        self._features = FeatureStream(prepare)
        self._tokenizer = tokenizer_from_dict(opened.spec.tokenizer)
        self._silence = round(SILENCE / frame_seconds(self._model, prepare))
        self._state: object = None
        self._tokens: list[int] = []
        self._before, self._silent, self._samples = BLANK, 0, 0

    def listen(self, pieces: Iterable[np.ndarray]) -> Iterator[Heard]:
        """Pieces of sound (n,) float32, however long -> what is known after each, and after the end."""
        for samples in pieces:
            yield self._hear(samples)
        started = time.perf_counter()
        last = self._log_probs(self._features.finish())
        with torch.inference_mode(), autocast(self._opened.precision, self._opened.device):
            flushed = self._model.flush(self._state) if self._state is not None else last  # type: ignore[operator]
        for log_probs in (last, flushed) if flushed is not last else (last,):
            self._take(log_probs)
        yield self._heard(started, done=True)

    @torch.inference_mode()
    def _hear(self, samples: np.ndarray) -> Heard:
        started = time.perf_counter()
        self._samples += len(samples)
        self._take(self._log_probs(self._features.push(torch.from_numpy(samples).to(self._opened.device))))
        return self._heard(started, done=self._silent >= self._silence and bool(self._tokens))

    def _heard(self, started: float, *, done: bool) -> Heard:
        text = self._tokenizer.decode(self._tokens).strip()
        if done:
            self._tokens = []
        return Heard(text, done, self._samples / self.sample_rate, time.perf_counter() - started)

    @torch.inference_mode()
    def _log_probs(self, features: Tensor) -> Tensor:
        """(1, t', V) that are certain after these features (1, t, F)."""
        with autocast(self._opened.precision, self._opened.device):
            log_probs, self._state = self._model.stream(features, self._state)  # type: ignore[operator]
        return log_probs

    def _take(self, log_probs: Tensor) -> None:
        """Equal neighbours are one token, and blanks none, across pieces as within them."""
        for token in log_probs[0].argmax(1).tolist():
            if token not in (BLANK, self._before):
                self._tokens.append(token)
            self._silent = self._silent + 1 if token == BLANK else 0
            self._before = token


@dataclass(frozen=True)
class Spotted:
    """A command in running sound, at a second, with its probability."""

    command: str
    seconds: float
    probability: float


class Spotter:
    """Looks for commands in the last second of sound, ten times a second.

    threshold: probability from which a command is reported. `listen` counts seconds and reports as it goes.
    """

    def __init__(self, opened: Opened, *, threshold: float) -> None:
        assert isinstance(opened.spec, SoundSpec)
        self.threshold, self.spec = threshold, opened.spec
        self.sample_rate = int(opened.spec.features["sample_rate"])
        self.seconds, self.reported = 0.0, 0
        self._classifier = Classifier(spec=opened.spec, **opened.model_arguments)
        self._quiet_until = dict.fromkeys(opened.spec.class_names, 0.0)

    @property
    def per_hour(self) -> float:
        """Reports for each hour of sound: false alarms, when nobody said a command."""
        return self.reported / max(self.seconds, 1e-9) * 3600

    def listen(self, pieces: Iterable[np.ndarray]) -> Iterator[Spotted]:
        """Pieces of sound (n,) float32 of PIECE seconds -> commands as they are spotted."""
        window = np.zeros(0, np.float32)
        size = round(WINDOW * self.sample_rate)
        for samples in pieces:
            window = np.concatenate([window, samples])[-size:]
            self.seconds += len(samples) / self.sample_rate
            if not len(window):
                continue
            found = self._classifier.probabilities(torch.from_numpy(window)[None], torch.tensor([len(window)]))[0]
            probability, number = (value.item() for value in found.max(0))
            command = self.spec.class_names[int(number)]
            if command in NO_COMMAND or probability < self.threshold or self.seconds < self._quiet_until[command]:
                continue
            self._quiet_until[command] = self.seconds + WINDOW + REST
            self.reported += 1
            yield Spotted(command, self.seconds, probability)
