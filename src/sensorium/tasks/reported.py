"""What a task adds to report.html: nothing, unless it says so."""

from typing import Any

import numpy as np

from sensorium.report_sections import ExampleScores, ReportExample, Section


class Reported:
    """The part of the Task interface that a report is made from. B examples are looked at."""

    def report_sections(self, evaluation: Any, *, split: Any, spec: Any) -> list[Section]:
        """What there is to show of an evaluation beside its metrics: nothing unless the task says so."""
        return []

    def looks(self, split: Any, rows: np.ndarray, spec: Any) -> list[dict[str, Any]]:
        """Examples as people look at them: fields of an `ReportExample` for each of the rows (B,)."""
        return [{} for _ in rows]

    def seen_examples(self, seen: tuple[Any, ...], batch: Any, split: Any, spec: Any) -> list[ReportExample]:
        """Training examples as the model was given them. seen: what it was called with. batch: of `split`."""
        return []

    def example_scores(self, evaluation: Any, split: Any) -> ExampleScores | None:
        """A number for each example, by which two runs are compared on the same ones; None where there is none."""
        return None
