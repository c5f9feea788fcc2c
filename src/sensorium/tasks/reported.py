"""What a task adds to report.html: nothing, unless it says so."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from sensorium.report_sections import ExampleScores, ReportExample, Section


@dataclass(frozen=True)
class Seen:
    """What a training step gives the model for a batch.

    inputs: the arguments of the model. targets: of the batch as augmentation changed them, such as (B, K) shares of
    classes after mixup; None where nothing is augmented. side: pixels of the longer side at which images are shown.
    """

    inputs: tuple[Any, ...]
    targets: Any = None
    side: int = 112


class Reported:
    """The part of the Task interface that a report is made from. B examples are looked at."""

    def report_sections(self, evaluation: Any, *, split: Any, spec: Any) -> list[Section]:
        """What there is to show of an evaluation beside its metrics: nothing unless the task says so."""
        return []

    def looks(self, split: Any, rows: np.ndarray, spec: Any) -> list[dict[str, Any]]:
        """Examples as people look at them: fields of an `ReportExample` for each of the rows (B,)."""
        return [{} for _ in rows]

    def seen_examples(self, seen: Seen, batch: Any, split: Any, spec: Any) -> list[ReportExample]:
        """Training examples as the model was given them. batch: of `split`."""
        return []

    def example_scores(self, evaluation: Any, split: Any) -> ExampleScores | None:
        """A number for each example, by which two runs are compared on the same ones; None where there is none."""
        return None
