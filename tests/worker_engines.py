"""Engines for tests of workers: what their processes are asked, without a model. Imports no torch."""

import os
import time
from collections.abc import Sequence
from typing import Any

from sensorium.errors import RequestError
from sensorium.serve.messages import Facts, Outcome, Raw, RemoteError

FACTS = Facts(
    task="text_classification", description="texts", kind="text", classes=(), options=(), formats=(), explains=(),
    streams=False, sample_rate=0,
)  # fmt: skip


class EchoEngine:
    """Predicts of a text itself, with the size of its batch; "bad" is an error, "die" and "hang" are what they say."""

    def facts(self) -> Facts:
        return FACTS

    def predict(self, raws: Sequence[Raw], options: dict[str, Any], forms: Sequence[str] = ()) -> list[Outcome]:
        texts = [raw.content if isinstance(raw.content, str) else raw.name for raw in raws]
        if "die" in texts:
            os._exit(7)
        if "hang" in texts:
            time.sleep(60)
        return [
            Outcome(None, "bad input", 400)
            if text == "bad"
            else Outcome({"text": text, "batch": len(texts), **options})
            for text in texts
        ]

    def failure(self, error: Exception) -> RemoteError:
        return error if isinstance(error, RemoteError) else RemoteError(500, type(error).__name__)


def refuse() -> EchoEngine:
    raise RequestError("no checkpoint")


def die() -> EchoEngine:
    os._exit(3)
