"""What a worker's process needs to know to load its model."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sensorium.serve.limits import Limits

_ENGINE = "sensorium.serve.engine"  # imports torch, which the server's own process has no use for


@dataclass(frozen=True, kw_only=True)
class Loader:
    """load: called in the process with path, accelerator= and trust=; gives what `sensorium.load` gives. threads: of
    torch; None for its own choice.
    """

    load: Callable[..., Any]
    path: str
    accelerator: str
    trust: bool
    threads: int | None
    limits: Limits

    def __call__(self) -> Any:
        """The engine. Raises RequestError for what is no checkpoint."""
        module = importlib.import_module(_ENGINE)
        module.set_threads(self.threads)
        model = self.load(self.path, accelerator=self.accelerator, trust=self.trust)
        return module.Engine(model, self.limits)
