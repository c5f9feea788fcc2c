"""What a report shows of translations: source, reference and translation, the least alike first."""

import difflib
from collections.abc import Sequence

import numpy as np

from sensorium.report_sections import Gallery, ReportExample, Section
from sensorium.tasks.report_media import SHOWN, WORST, differences, evenly, text
from sensorium.tasks.translation.evaluate import TranslationEvaluation

_RANKED = 3000  # sentences at most that are compared word by word


def likeness(reference: str, hypothesis: str) -> float:
    """Share of words that both have in common order, from 0 to 1."""
    return difflib.SequenceMatcher(None, reference.split(), hypothesis.split(), autojunk=False).ratio()


def translation_sections(found: TranslationEvaluation, *, names: Sequence[str]) -> list[Section]:
    """names: N, of the pairs."""
    rows = evenly(len(names), _RANKED)
    alike = {row: likeness(found.references[row], found.hypotheses[row]) for row in rows.tolist()}
    ranked = np.array(sorted(alike, key=lambda row: alike[row]), dtype=np.int64)
    rest = ranked[WORST:]
    shown = np.concatenate([ranked[:WORST], rest[evenly(len(rest), 2 * SHOWN)]]) if len(rest) else ranked
    examples = [_example(found, row, alike[row], str(names[row])) for row in shown.tolist()]
    worst = [one for one in examples[:WORST] if not one.correct]
    note = "Words that differ from the reference are marked; a translation can be right in other words."
    return [
        Gallery(
            title="Worst errors", examples=worst, total=sum(value < 1 for value in alike.values()), score="alike",
            note=f"The translations least like their references. {note}",
        ),
        Gallery(title="Translations", examples=examples, total=len(names), score="alike", filtered=True, note=note),
    ]  # fmt: skip


def _example(found: TranslationEvaluation, row: int, alike: float, name: str) -> ReportExample:
    reference, hypothesis = differences(found.references[row], found.hypotheses[row])
    return ReportExample(
        name=name,
        correct=found.references[row] == found.hypotheses[row],
        score=round(alike, 4),
        passages=[text("source", found.sources[row]), reference, hypothesis],
    )
