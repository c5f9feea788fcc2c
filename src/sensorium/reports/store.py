"""report.json: what a report needs of a run that its other files do not have, small enough to keep.

It is what makes `sensorium report` work later, without the data, the model or torch.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sensorium.files import json_text, json_value, write_atomically
from sensorium.report_sections import ExampleScores, Gallery, Section, as_dict, from_dict

NAME = "report.json"
FORMAT = 1
BUDGET = 1_900_000  # characters of images and audio, so that the page stays under 3 MB


@dataclass(frozen=True, kw_only=True)
class Stored:
    """What report.json holds.

    task: its name in words. spec: the data in words. splits: examples of each split. classes: of each split, how many
    by class; counted: what was counted. lengths: of each split, some quantiles, in `unit`. samples: training examples
    as the model was given them. sections: of the evaluation. headline: name, value, low, high of the test metric;
    higher_is_better and constant (a baseline in words, and its value). intervals: low and high of each test metric.
    higher_is_better: of the headline metric. scores: of each test example. epochs: seconds, speed and its unit for
    each epoch of the last process. notes: on the data, and what could not be had.
    """

    task: str
    spec: str = ""
    splits: Mapping[str, int] = field(default_factory=dict)
    classes: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    counted: str = "examples"
    lengths: Mapping[str, Sequence[float]] = field(default_factory=dict)
    unit: str = ""
    samples: Gallery | None = None
    sections: Sequence[Section] = ()
    headline: Mapping[str, Any] = field(default_factory=dict)
    intervals: Mapping[str, Sequence[float]] = field(default_factory=dict)
    higher_is_better: bool = True
    scores: ExampleScores | None = None
    epochs: Sequence[Sequence[Any]] = ()
    notes: Sequence[str] = ()


def within_budget(stored: Stored, budget: int = BUDGET) -> Stored:
    """Without the last images and clips of galleries that hold more than fits; galleries say how many they show."""
    left = budget
    samples = stored.samples
    if samples is not None:
        samples, left = _fitted(samples, min(left, budget // 4)), left - _size(samples)
    sections: list[Section] = []
    for section in stored.sections:
        if isinstance(section, Gallery):
            section = _fitted(section, max(0, left))
            left -= _size(section)
        sections.append(section)
    return replace(stored, samples=samples, sections=sections)


def _fitted(gallery: Gallery, budget: int) -> Gallery:
    """Examples are dropped evenly, so that the right and the wrong ones both stay."""
    examples = list(gallery.examples)
    while examples and (size := sum(len(one.image) + len(one.audio) for one in examples)) > budget:
        keep = max(0, min(len(examples) - 1, int(len(examples) * budget / size)))
        examples = [examples[len(examples) * place // keep] for place in range(keep)]
    return replace(gallery, examples=examples)


def _size(gallery: Gallery) -> int:
    return sum(len(one.image) + len(one.audio) for one in gallery.examples)


def write(folder: Path, stored: Stored) -> None:
    """report.json in a run folder."""
    values = dict(vars(stored))
    values["samples"] = None if stored.samples is None else as_dict(stored.samples)
    values["sections"] = [as_dict(section) for section in stored.sections]
    values["scores"] = None if stored.scores is None else vars(stored.scores)
    write_atomically(folder / NAME, json_text({"format": FORMAT, **values}) + "\n")


def read(folder: Path) -> Stored | None:
    """What `write` wrote; None where there is none. Raises ValueError for what is damaged or newer than this."""
    path = folder / NAME
    if not path.is_file():
        return None
    try:
        values = json_value(path.read_text(encoding="utf-8"))
        if values.pop("format") != FORMAT:
            raise ValueError("it is of another version of Sensorium")
        values["samples"] = None if values["samples"] is None else from_dict(values["samples"])
        values["sections"] = [from_dict(section) for section in values["sections"]]
        values["scores"] = None if values["scores"] is None else ExampleScores(**values["scores"])
        return Stored(**values)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error
