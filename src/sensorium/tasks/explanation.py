"""What an explanation is, whatever is explained: for each target of an input a map of where its score comes from, and
numbers that say whether to believe it.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
from rich.text import Text

from sensorium.attribution.faithfulness import Faithfulness
from sensorium.errors import RequestError, listing, unknown, unwritable
from sensorium.files import json_text, write_atomically
from sensorium.output import Record
from sensorium.report_sections import ReportExample
from sensorium.tasks.explanation_choice import ExplanationChoice
from sensorium.tasks.feature_index import Neighbor

RANDOM_MAPS = 18  # as many as it takes to say that one map is better than 95% of random ones (`random_curves`)
_WIDEST = 60  # characters of an input that a table shows


@dataclass(frozen=True, kw_only=True)
class ExplainOptions:
    """Every option of an explanation; `Task.explain_options` names those that mean something to a task.

    method: of `Task.explain_methods`, or auto. target: what is explained (classes, tags), None for what the model
    predicts. top_k: how many targets of an input where none are named; None for the task's choice. pixel: x and y from
    the top left, of the input as it is given. threshold: score from which something counts. characters:
    whether each character of a transcript is explained instead of each word. steps: of integrated
    gradients, and samples of gradient SHAP. batch_size: rows that the network is given at once. random_maps: that each
    map is compared with; 0 measures nothing. seed: of whatever is drawn. neighbors: the training examples that are most
    alike, of the features (F,) of an input; None where they are not wanted. choice: what auto is, as the checkpoint
    holds it.
    """

    method: str = "auto"
    target: tuple[str, ...] | None = None
    top_k: int | None = None
    pixel: tuple[int, int] | None = None
    threshold: float | None = None
    characters: bool = False
    steps: int = 50
    batch_size: int = 64
    random_maps: int = RANDOM_MAPS
    seed: int = 0
    neighbors: Callable[[np.ndarray], tuple[Neighbor, ...]] | None = None
    choice: ExplanationChoice | None = None

    def chosen(self) -> list[str]:
        """The options that only some tasks have and that differ from what is usual."""
        usual = ExplainOptions()
        shared = ("method", "steps", "batch_size", "random_maps", "seed", "neighbors", "choice")
        names = [one.name for one in fields(self) if one.name not in shared]
        return [name for name in names if getattr(self, name) != getattr(usual, name)]


class Example(NamedTuple):
    """A raw input under a name of its own, such as a row of a split. truth: targets that are right for it, which are
    explained beside what is predicted.
    """

    name: str
    raw: Any
    truth: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class TargetMap:
    """For one target of an input: why this.

    target: a class, a tag, a box, a word. score: what the model gives for it, as a prediction shows it. attribution:
    (*P) float32 over the places of the input; above 0 supports the target, below opposes it. faithfulness: None where
    it was not measured. details: what else a line of JSON says of the target, such as its box.
    """

    target: str
    score: float
    attribution: np.ndarray
    faithfulness: Faithfulness | None = None
    details: Record = field(default_factory=dict)

    def warnings(self) -> list[str]:
        """Why not to believe it, a line each."""
        return [] if self.faithfulness is None else self.faithfulness.warnings()


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """One input's; the forms of it add what it is drawn over, and formats.

    input: the path or text it is for. method: how it was made. targets: [] with an error. error: why there is none.
    neighbors: the training examples that are most alike to the model, where they were asked for.
    """

    formats: ClassVar[tuple[str, ...]] = (".json",)  # suffixes that `save` knows; the first one is what people look at

    input: str
    method: str = ""
    targets: tuple[TargetMap, ...] = ()
    error: str | None = None
    neighbors: tuple[Neighbor, ...] = ()

    def to_dict(self) -> Record:
        """As JSON: everything, with the raw attribution."""
        record = {"input": self.input, "method": self.method, "targets": [self._record(one) for one in self.targets]}
        record |= {"nearest": [one.to_dict() for one in self.neighbors]} if self.neighbors else {}
        return record | ({"error": self.error} if self.error else {})

    def _record(self, one: TargetMap) -> Record:
        measured = None if one.faithfulness is None else one.faithfulness.to_dict()
        return {
            "target": one.target,
            "score": one.score,
            **one.details,
            "faithfulness": measured,
            "warnings": one.warnings(),
            "shape": list(one.attribution.shape),
            "attribution": one.attribution.tolist(),
        }

    def rows(self) -> list[Record]:
        """As rows of a table on a screen, one for each target: short."""
        text = self.input if len(self.input) <= _WIDEST else f"{self.input[: _WIDEST - 3]}..."
        return [_row(text, self.method, one) for one in self.targets]

    def marked(self) -> Text | None:
        """What a terminal shows below the table, such as words in colors; None where there is nothing to show."""
        return None

    def looks_like(self) -> Text | None:
        """What a terminal shows of the training examples that are alike: a line each; None where there are none."""
        if not self.neighbors:
            return None
        lines = [f"{self.input[:_WIDEST]} looks like", *(neighbor_line(one) for one in self.neighbors)]
        return Text("\n  ".join(lines))

    def cards(self) -> list[ReportExample]:
        """What a report shows of it: an example for each target."""
        return [ReportExample(name=self.input, predicted=_claim(one), **self.card(one)) for one in self.targets]

    def card(self, one: TargetMap) -> dict[str, Any]:
        """Fields of the `ReportExample` of a target: its image, or what there is to read."""
        return {}

    @classmethod
    def check_suffix(cls, path: str | Path) -> None:
        """Raises RequestError for a file in whose format it is not saved."""
        if Path(path).suffix.lower() not in cls.formats:
            raise RequestError(
                f"{path}: this explanation can be saved as {' or '.join(cls.formats)}. Change the ending of the name."
            )

    @classmethod
    def file_name(cls, name: str) -> str:
        """What its file in a folder is named after, given its input."""
        return name

    def save(self, path: str | Path) -> Path:
        """Writes it, atomically, in the format of the file's suffix; returns its path.

        Raises RequestError for a suffix that it has no form for, and for what cannot be written.
        """
        target, suffix = Path(path), Path(path).suffix.lower()
        if self.error is not None:
            raise RequestError(f"There is no explanation to save: {self.error}")
        self.check_suffix(path)
        content = json_text(self.to_dict()) + "\n" if suffix == ".json" else self.content(suffix)
        try:
            write_atomically(target, content)
        except OSError as error:
            raise unwritable(str(path), error, "Choose another name.") from error
        return target

    def content(self, suffix: str) -> bytes | str:
        """The content of a file of a format other than .json. Raises RequestError where there is none."""
        raise RequestError(f"An explanation of this kind is not saved as {suffix}; end the name with .json.")


def _claim(one: TargetMap) -> str:
    believed = "" if one.faithfulness is None or not one.warnings() else ", not to be believed"
    return f"why {one.target}: {one.score:.3f}{believed}"


def neighbor_line(one: Neighbor, *, longest: int = _WIDEST) -> str:
    """Similarity, name, and what it is labeled with; of a text also its beginning, `longest` characters."""
    target = f" ({', '.join(one.target)})" if one.target else ""
    text = f": {one.raw[:longest]}" if isinstance(one.raw, str) else ""
    return f"{one.similarity:.3f}  {one.name}{target}{text}"


def _row(text: str, method: str, one: TargetMap) -> Record:
    row: Record = {"input": text, "target": one.target, "score": one.score, "method": method}
    found = one.faithfulness
    if found is not None:
        row |= {
            "deletion": found.deletion,
            "random_deletion": found.random_deletion,
            "insertion": found.insertion,
            "random_insertion": found.random_insertion,
            "believe": "no" if one.warnings() else "yes",
        }
    return row


class Explainer(ABC):
    """A model ready to explain what it predicts, for raw inputs of its task. form: of its explanations."""

    form: ClassVar[type[Explanation]] = Explanation

    @abstractmethod
    def explain(self, inputs: Iterable[Any]) -> Iterator[Explanation]:
        """Explanations in the order of the inputs, raw ones or `Example`s; an unreadable one has an error."""

    @abstractmethod
    def choice(self, inputs: Iterable[Any]) -> ExplanationChoice:
        """The method that is best on a few validation examples.

        Raises RequestError where too few can be explained, or it would take too long.
        """

    def notes(self) -> list[str]:
        """What was chosen, and what happened to inputs, once they are all done: a line each."""
        return []


class Explainable:
    """What a task says about explanations; the part of `Task` that `sensorium explain` uses.

    explain_methods: names in `attribution.methods.METHODS`, the preferred first; () where nothing is explained.
    explain_options: options beside those of all tasks. explain_keys: for raw inputs. has_vectors: whether a model of it
    makes one vector of each example, so that examples can be compared.
    """

    name: ClassVar[str]
    explain_methods: ClassVar[tuple[str, ...]] = ()
    explain_options: ClassVar[tuple[str, ...]] = ()
    explain_keys: ClassVar[tuple[str, ...]] = ("input",)
    has_vectors: ClassVar[bool] = False

    def explained_inputs(self, given: Mapping[str, Any], model: Any) -> Iterable[Any]:
        """Raw inputs from the keys of `explain_keys`, for this `LoadedModel`."""
        raise RequestError(f"explain is not for {self.name}.")

    def explainer(self, model: Any, options: ExplainOptions) -> Explainer:
        """The `LoadedModel` ready to explain itself. Raises RequestError for a task that has no explanations."""
        raise RequestError(f"explain is not for {self.name}.")

    def check_explain_options(self, options: ExplainOptions, spec: Any) -> None:
        """Rejects options that mean nothing to this task, and classes that there are not."""
        if not self.explain_methods:
            raise RequestError(f"explain is not for {self.name}.")
        if options.method not in (methods := ("auto", *self.explain_methods)):
            raise unknown("method", options.method, methods)
        if options.neighbors is not None and not self.has_vectors:
            raise RequestError(f"nearest= is not for {self.name}: its models make no single vector of an example.")
        if strange := [name for name in options.chosen() if name not in self.explain_options]:
            raise RequestError(
                f"{strange[0]}= does not apply to explanations of this checkpoint ({spec}). "
                f"Its options: {listing(self.explain_options) or 'none'}."
            )
        names = target_names(spec)
        for name in options.target or ():
            if names and name not in names:
                raise unknown("target", name, names)

    def examples(self, split: Any, rows: Sequence[int], spec: Any) -> list[Example]:
        """Rows of a split as raw inputs under their names, with what is right for them."""
        raise RequestError(f"row= and worst= do not apply to {self.name}; give {self.explain_keys[0]}=...")

    def worst_rows(self, folder: Path, count: int) -> list[int]:
        """Rows of the test split with the worst errors, as an evaluation wrote them into a run folder, worst first."""
        raise RequestError(f"worst= does not apply to {self.name}; give {self.explain_keys[0]}=...")


def target_names(spec: Any) -> tuple[str, ...]:
    """What target= can name: classes, tags, or the numbers of a regression; () where it is free."""
    return tuple(spec.classes or spec.targets)


def chosen_targets(
    given: Sequence[str] | None, names: Sequence[str], predicted: Sequence[int], truth: Sequence[str]
) -> list[int]:
    """The numbers of the classes to explain: those that were named, else what is predicted and what is right."""
    if given is not None:
        return [names.index(name) for name in given]
    return list(dict.fromkeys([*predicted, *(names.index(name) for name in truth if name in names)]))
