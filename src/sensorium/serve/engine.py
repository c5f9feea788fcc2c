"""One model in a worker's process: batches of raw inputs, explanations, and what comes in pieces."""

import re
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from typing import Any

import numpy as np
import torch

from sensorium.errors import RequestError, RunError
from sensorium.serve.limits import Limits
from sensorium.serve.messages import Facts, Outcome, Raw, RemoteError, Step
from sensorium.tasks import registry
from sensorium.tasks.input_bounds import InputBounds, InputTooLarge, modality
from sensorium.tasks.named_bytes import NamedBytes

_SURROGATE = re.compile("[\ud800-\udfff]")


class Engine:
    """model: a `sensorium.Model`. What it is given was sent by anybody."""

    def __init__(self, model: Any, limits: Limits) -> None:
        self._model, self._limits = model, limits
        self._task = registry.of(model.spec)
        self._kind = modality(model.spec)
        self._bounds = InputBounds(
            pixels=limits.max_pixels, seconds=limits.max_seconds, characters=limits.max_characters
        )
        self._open: dict[int, Any] = {}

    def facts(self) -> Facts:
        """What clients may know of it."""
        features = getattr(self._model.spec, "features", None) or {}
        return Facts(
            task=self._model.task,
            description=str(self._model.spec),
            kind=self._kind,
            classes=tuple(self._model.class_names),
            options=tuple(self._task.options),
            formats=tuple(self._task.formats),
            explains=tuple(self._task.explain_methods) if self._model.explains else (),
            streams=self._task.streams and self._takes_live_audio(),
            sample_rate=int(features.get("sample_rate", 0)),
            outputs=self._task.tensors,
        )

    def _takes_live_audio(self) -> bool:
        """Whether this model can: others of its task need the whole recording."""
        try:
            self._model.live()
        except RequestError:
            return False
        return True

    # -- predictions

    def predict(self, raws: Sequence[Raw], options: Mapping[str, Any], forms: Sequence[str] = ()) -> list[Outcome]:
        """Of each input what `model.predict` gives for it, or why there is nothing. forms: of `Outcome.texts`."""
        raws = [_encoded(raw) for raw in raws]
        refused = [self._refusal(raw) for raw in raws]
        good = [raw for raw, refusal in zip(raws, refused, strict=True) if refusal is None]
        found = iter(self._predicted(good, options, forms))
        return [refusal or next(found) for refusal in refused]

    def _predicted(self, raws: Sequence[Raw], options: Mapping[str, Any], forms: Sequence[str]) -> list[Outcome]:
        """All together; where that fails each by itself, so that an input spoils no other's result."""
        if not raws:
            return []
        try:
            predictions = self._model.predict(
                [self._raw_input(raw) for raw in raws], batch_size=self._limits.max_batch, **options
            )
            return [self._outcome(prediction, forms) for prediction in predictions]
        except Exception as error:  # noqa: BLE001 - whatever an input or its options bring about is answered
            if len(raws) > 1:
                return [one for raw in raws for one in self._predicted([raw], options, forms)]
            failure = remote(error)
            return [Outcome(None, failure.message, failure.status)]

    def _outcome(self, prediction: Any, forms: Sequence[str]) -> Outcome:
        if prediction.error is not None:
            return Outcome(None, prediction.error, 400)
        texts = {form: prediction.as_text(form) for form in forms}
        return Outcome(prediction.to_dict(), texts=texts, tensors=prediction.tensors())

    def _refusal(self, raw: Raw) -> Outcome | None:
        try:
            self._checked(raw)
        except RequestError as error:
            failure = remote(error)
            return Outcome(None, failure.message, failure.status)
        return None

    def _checked(self, raw: Raw) -> None:
        """Raises RequestError for what is too large, or no input of this model at all."""
        if isinstance(raw.content, str) and self._kind in ("image", "audio"):
            raise RequestError(f"This model takes {self._kind} files, not texts.")
        self._bounds.check(raw.content, raw.name, self._kind)
        if isinstance(raw.content, str) and _SURROGATE.search(raw.content):
            raise RequestError("A text holds half a character (a lone surrogate), which is no Unicode.")

    def _raw_input(self, raw: Raw) -> str | NamedBytes:
        """A text, or bytes: never a str where a str would be the path of a file."""
        if isinstance(raw.content, bytes):
            return NamedBytes(raw.content, raw.name)
        assert isinstance(raw.content, str)
        assert self._kind in ("text", "prompt")
        return raw.content

    # -- explanations

    def explain(self, raw: Raw, options: Mapping[str, Any], suffix: str | None) -> tuple[str, dict[str, Any] | bytes]:
        """(suffix, content) of an explanation. suffix: None for the one that people look at; .json gives a record."""
        self._checked(raw)
        explanation = self._model.explain(self._raw_input(raw), batch_size=self._limits.max_batch, **options)
        suffix = explanation.formats[0] if suffix is None else suffix
        explanation.check_suffix(f"explanation{suffix}")
        if suffix == ".json":
            return suffix, explanation.to_dict()
        content = explanation.content(suffix)
        return suffix, content.encode() if isinstance(content, str) else content

    # -- what comes in pieces

    def open_text(self, number: int, raw: Raw, options: Mapping[str, Any]) -> None:
        """Begins a text under a number that no other has. Raises RequestError for options that are not possible."""
        self._checked(raw)
        (prediction,) = self._model.predict([self._raw_input(raw)], **options)
        if prediction.error is not None:
            raise RequestError(prediction.error)
        self._open[number] = iter(prediction.pieces)

    def next_pieces(self, number: int, most: int) -> Step:
        """Up to so many pieces of text."""
        pieces: Iterator[str] = self._session(number)
        found = tuple(islice(pieces, most))
        done = len(found) < most
        if done:
            self.close(number)
        return Step(found, done)

    def open_live(self, number: int, options: Mapping[str, Any]) -> None:
        """Begins a recording under a number. Raises RequestError for a model that needs the whole of it."""
        self._open[number] = self._model.live(**options)

    def push(self, number: int, samples: bytes) -> Step:
        """What is new after these samples, float32 of the model's rate."""
        return Step(tuple(self._session(number).push(np.frombuffer(samples, np.float32).copy())), done=False)

    def finish(self, number: int) -> Step:
        """What is new after the end."""
        found = tuple(self._session(number).finish())
        self.close(number)
        return Step(found, done=True)

    def close(self, number: int) -> None:
        """Forgets it; nothing when it is forgotten already."""
        self._open.pop(number, None)

    def failure(self, error: Exception) -> RemoteError:
        """What a method raised, as a client may know it."""
        return remote(error)

    def _session(self, number: int) -> Any:
        if number not in self._open:
            raise RemoteError(503, "The worker of this model was restarted in between. Start again.")
        return self._open[number]


def _encoded(raw: Raw) -> Raw:
    """Numbers as a file of them."""
    return raw if isinstance(raw.content, str | bytes) else Raw(raw.content.encoded(), raw.name)


def set_threads(threads: int | None) -> None:
    """How many torch uses in this process; None for its own choice."""
    if threads is not None:
        torch.set_num_threads(threads)


def remote(error: Exception) -> RemoteError:
    """An error as its client may know it. What is a fault of ours goes to the server's standard error alone."""
    if isinstance(error, RemoteError):
        return error
    if isinstance(error, InputTooLarge):
        return RemoteError(413, str(error))
    if isinstance(error, RequestError):
        return RemoteError(400, str(error))
    if isinstance(error, RunError):
        return RemoteError(500, str(error))
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError" or "can't allocate" in str(error):
        return RemoteError(503, "Not enough memory for this request; a smaller one may work.")
    # Where, but not the message, which may quote the input.
    with suppress(OSError):  # a full disk: this is called for an answer, which counts more
        print("".join(traceback.format_tb(error.__traceback__)) + type(error).__name__, file=sys.stderr, flush=True)
    return RemoteError(500, f"The model failed ({type(error).__name__}); the server's log says where.")
