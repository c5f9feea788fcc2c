"""What a report shows of a recognizer: kinds of errors, speakers, transcripts with their audio."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from sensorium.metrics.recognition import WordErrors, by_group, total, word_errors, worst
from sensorium.report_sections import Gallery, ReportExample, Section, Table
from sensorium.tasks.reliability import reliability_chart
from sensorium.tasks.report_media import WORST, differences, evenly
from sensorium.tasks.speech_recognition.evaluate import RecognitionEvaluation

_SHOWN = 36  # utterances beside the worst: audio is large
_KINDS = ("substitutions", "insertions", "deletions")


def recognition_sections(
    found: RecognitionEvaluation, *, names: Sequence[str], looks: Callable[[np.ndarray], list[dict[str, Any]]]
) -> list[Section]:
    """names: N, of the utterances. looks: of rows, fields of an `ReportExample` each."""
    errors = word_errors(found.references, found.hypotheses)
    wrong = worst(errors, WORST)
    rest = np.setdiff1d(np.arange(len(names)), wrong)
    rows = np.array([*wrong, *(rest[evenly(len(rest), _SHOWN)] if len(rest) else [])], dtype=np.int64)
    examples = []
    for row, look in zip(rows.tolist(), looks(rows), strict=True):
        passages = differences(found.references[row], found.hypotheses[row])
        examples.append(
            ReportExample(
                name=str(names[row]),
                correct=errors[row].count == 0,
                predicted=f"{errors[row].count} of {errors[row].length} words wrong",
                groups=[found.speakers[row]] if found.speakers[row] else [],
                passages=passages,
                **look,
            )
        )
    note = "Words missed or replaced are marked in the reference, wrong ones in the hypothesis."
    sections: list[Section] = [_errors("Word errors", [("all utterances", total(errors))], "")]
    if any(found.speakers):
        by_speaker = by_group(errors, list(found.speakers))
        rows_of = sorted(by_speaker.items(), key=lambda item: -item[1].rate)
        sections.append(_errors("Speakers", rows_of, "The highest word error rate first."))
    if len(words := found.sure_words.right):
        sections.append(reliability_chart(found.sure_words.confidence, words, what="words"))
    return [
        *sections,
        Gallery(
            title="Worst errors",
            examples=examples[: len(wrong)],
            total=sum(error.count > 0 for error in errors),
            note=note,
        ),
        Gallery(title="Transcripts", examples=examples, total=len(names), grouped="speaker", filtered=True, note=note),
    ]


def _errors(title: str, rows: Sequence[tuple[str, WordErrors]], note: str) -> Table:
    return Table(
        title=title,
        columns=["", "word error rate", *_KINDS, "words"],
        rows=[[name, one.rate, one.substitutions, one.insertions, one.deletions, one.length] for name, one in rows],
        note=note,
    )
