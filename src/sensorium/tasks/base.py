"""The Task interface: everything specific to one kind of problem, used by verbs that are task-agnostic.

What the parts of a task hand each other is here too: a loaded model, an evaluation, a prediction, the options of both.
Nothing in this file or in a task's `task.py` imports Lightning, so that evaluation and prediction start without it.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
import torch
from torch import nn

from sensorium.data.base import Data, Problem
from sensorium.data.loader import BatchLoader
from sensorium.errors import RequestError, listing
from sensorium.inspection.contents import Contents, split_numbers
from sensorium.output import Record
from sensorium.specs import Spec
from sensorium.tasks.artifacts import Artifacts
from sensorium.tasks.calibration import Calibration
from sensorium.tasks.evaluated import Evaluation
from sensorium.tasks.explanation import Explainable
from sensorium.tasks.graphs import Exportable
from sensorium.tasks.live import Live
from sensorium.tasks.metric import ConstantAnswer, Metric
from sensorium.tasks.out_of_distribution import OutOfDistribution
from sensorium.tasks.reported import Reported
from sensorium.tasks.writers import FORMATS, Writer, standard_writer

S = TypeVar("S", bound=Spec)


@dataclass(frozen=True, kw_only=True)
class SplitFacts:
    """What there is to know about a split before training.

    classes: what there is of each class by name, in `counted`; {} for a task without classes. lengths: (N,) of the
    examples, in `unit`; None where all are identical. unknown: share of the tokens that are unknown. sampled: whether
    classes were counted in some of the examples only.
    """

    classes: Mapping[str, int] = field(default_factory=dict)
    counted: str = "examples"
    lengths: np.ndarray | None = None
    unit: str = ""
    unknown: float = 0.0
    sampled: bool = False


@dataclass(frozen=True)
class LoadedModel:
    """A checkpoint's model, and what it says about itself.

    spec: the data it was trained for. model: an `nn.Module` of its task's protocol, in evaluation mode, on the CPU
    until used. precision, memory_format: as trained, resolved. decoding, dataset: sections of the training's config.
    calibration: of its confidence; None where it has none, or it is to be measured. out_of_distribution: the
    detector of inputs unlike the training data; None where it has none.
    """

    spec: Any
    model: Any
    device: torch.device
    precision: str
    memory_format: str
    decoding: dict[str, Any]
    dataset: dict[str, Any] = field(default_factory=dict)
    calibration: Calibration | None = None
    out_of_distribution: OutOfDistribution | None = None

    @property
    def model_arguments(self) -> dict[str, Any]:
        """What `tasks.inference.InferenceModel` needs beside the spec."""
        return {
            "model": self.model,
            "device": self.device,
            "precision": self.precision,
            "memory_format": self.memory_format,
            "calibration": self.calibration,
            "out_of_distribution": self.out_of_distribution,
        }


@dataclass(frozen=True)
class Prediction(ABC):
    """One input's result; the forms of it add their own fields.

    input: the path or text it is for. error: why there is no result. out_of_distribution: whether the input is unlike
    the training data; None where the checkpoint has no detector, and of no meaning with an error.
    """

    input: str
    error: str | None = field(default=None, kw_only=True)
    out_of_distribution: bool | None = field(default=None, kw_only=True)

    def flag(self) -> Record:
        """The field of a record, where there is a detector; a cell without anything for an error."""
        if self.out_of_distribution is None:
            return {}
        return {"out_of_distribution": "" if self.error else self.out_of_distribution}

    def shown_flag(self) -> Record:
        """The same for a table on a screen."""
        return {} if self.out_of_distribution is None else {"ood": self.out_of_distribution}

    @abstractmethod
    def to_dict(self) -> Record:
        """As a line of JSON: everything."""

    def as_text(self, form: str) -> str:
        """In one of the formats that its task alone has, such as subtitles. Raises RequestError where there is none."""
        raise RequestError(f"This task has no format {form}.")

    def tensors(self) -> dict[str, Any]:
        """What `Task.tensors` names, of this input: a value, or a list of as many as of every other input."""
        return {}

    @abstractmethod
    def rows(self) -> list[Record]:
        """As rows of CSV; every prediction of one call has the same columns."""

    @abstractmethod
    def summary(self) -> Record:
        """As a row of a table on a screen: short."""


def no_flag(model: LoadedModel) -> bool | None:
    """`out_of_distribution` of an input without a result, so that its row has the columns of the others."""
    return None if model.out_of_distribution is None else False


def not_finite(name: str) -> str:
    """The error of an input for which a model gives no numbers."""
    return f"{name}: the model's output is not a number (NaN or infinite); its weights are damaged, or this input is"


@dataclass(frozen=True, kw_only=True)
class PredictOptions:
    """Every option of a prediction; `Task.options` names those that mean something to a task.

    top_k: classes for each input, or tokens a language model draws from. threshold: score from which something counts.
    decoding: keys of the section `decoding` that differ from the checkpoint's. overlay, masks, attention: folders for
    images. length, temperature, top_p, seed: of generated text. pixel_range: [low, high], the values of images of more
    than 8 bits that are black and white; None for the checkpoint's. details: whether per-word times are wanted.
    coverage: probability with which a set of classes or an interval holds the truth. max_error: error rate of the
    classes that are given as decided.
    """

    batch_size: int = 64
    top_k: int | None = None
    threshold: float | None = None
    decoding: Mapping[str, Any] = field(default_factory=dict)
    overlay: str | None = None
    masks: str | None = None
    attention: str | None = None
    length: int = 200
    temperature: float = 1.0
    top_p: float | None = None
    seed: int = 0
    pixel_range: Sequence[float] | None = None
    details: bool = True
    coverage: float | None = None
    max_error: float | None = None

    def chosen(self) -> list[str]:
        """The options that only some tasks have and that differ from what is usual."""
        usual = PredictOptions()
        shared = ("batch_size", "decoding", "details")
        names = [one.name for one in fields(self) if one.name not in shared]
        return [name for name in names if getattr(self, name) != getattr(usual, name)]


class Predictor(ABC):
    """A model ready to predict, for raw inputs of its task."""

    @abstractmethod
    def predict(self, inputs: Iterable[Any]) -> Iterator[Prediction]:
        """Predictions in the order of the inputs, a batch at a time; an unreadable input is one with an error."""

    def notes(self) -> list[str]:
        """What happened to inputs that their predictions do not say, once they are all done: a line each."""
        return []


class Task(Explainable, Exportable, Reported, ABC, Generic[S]):
    """One kind of problem. Stateless: `registry.get(name)` gives the one instance there is."""

    name: ClassVar[str]
    headline: ClassVar[Metric]  # what models are compared by
    # For `predict`: keys for raw inputs, of which one is needed; options; formats beside table, csv and json.
    input_keys: ClassVar[tuple[str, ...]] = ("input",)
    options: ClassVar[tuple[str, ...]] = ()
    formats: ClassVar[tuple[str, ...]] = FORMATS
    # Of what `Prediction.tensors` gives for several inputs: name, datatype (BYTES, FP32) and shape.
    tensors: ClassVar[tuple[tuple[str, str, list[int]], ...]] = ()
    smooths_labels: ClassVar[bool] = False  # whether its loss reads label_smoothing
    calibrates: ClassVar[bool] = False  # whether `calibration` works
    streams: ClassVar[bool] = False  # whether stream=true and input=mic work
    example_input: ClassVar[str] = "input=FILE"  # what to type behind `predict ckpt=...`
    # What a model for it must be, where inputs alone do not tell (`models.protocols`): itself named by such a model.
    protocol: ClassVar[type | None] = None
    # For training.
    augmentation: ClassVar[str] = "nothing"  # what an augmentation must say it takes
    fitting_augmentations: ClassVar[str] = "none"  # choices of the group augment that do
    strong_view: ClassVar[dict[str, Any] | None] = None  # learning.strong=auto; None: learns from labeled data only
    self_supervised: ClassVar[bool] = False  # whether learning=simclr works
    bf16_always: ClassVar[bool] = False  # whether bfloat16 pays for models of any size (decision 0011)
    length_unit: ClassVar[str] = "tokens"  # what the lengths of its examples count, where they have any
    uses_memory_format: ClassVar[bool] = False  # whether channels_last can matter
    traceable: ClassVar[bool] = False  # whether debug=trace works
    example: ClassVar[str] = "example"  # what the length of a split counts
    steps: ClassVar[int] = 600  # optimizer steps that trainer.max_epochs=auto gives a training on few examples

    # -- training

    @abstractmethod
    def preprocessing(self, spec: S, memory_format: torch.memory_format = torch.contiguous_format) -> nn.Module:
        """What turns a batch's inputs, as they are stored, into the tuple that the model is called with."""

    def class_counts(self, split: Any, num_classes: int) -> np.ndarray | None:
        """(K,) int64 training examples of each class; None where classes cannot be weighted."""
        return None

    def balanced_weights(self, split: Any, num_classes: int) -> np.ndarray | None:
        """(K,) float64 for class_weights=balanced: every class counts alike in the training loss, 1 on average; None
        where classes cannot be weighted.
        """
        counts = self.class_counts(split, num_classes)
        return None if counts is None else counts.sum() / (num_classes * np.maximum(counts, 1))

    def facts(self, split: Any, spec: S) -> SplitFacts:
        """What is shown of a split before training, and what warnings use."""
        return SplitFacts()

    def constant_answer(self, data: Data, evaluation: Any) -> ConstantAnswer | None:
        """The best answer that does not look at its input, on the test split; None where nothing is worth a mention.

        evaluation: of the test split.
        """
        return None

    def check_request(self, spec: S, decoding: Mapping[str, Any]) -> None:
        """Rejects what could not be evaluated, for want of a package or of sense, before hours of training."""
        self.check_decoding(decoding)

    def check_decoding(self, given: Mapping[str, Any]) -> None:
        """Rejects a key of the section `decoding` that means nothing to this task. None counts as not given."""
        for key, value in given.items():
            if value is not None:
                raise RequestError(f"decoding.{key} does not apply to {self.name}, which decodes no sequences.")

    def unfit_examples(self, model: Any, split: Any) -> dict[int, str]:
        """Rows of a split that this model cannot learn from, and why."""
        return {}

    def sample_writer(self, data: Data, *, seed: int) -> "Callable[[nn.Module, int, torch.device], str] | None":
        """For a model that generates: called with it, the step and the device, gives a sample; else None."""
        return None

    def contents(self, data: Data) -> Contents:
        """The examples of all splits as `sensorium check` looks at them; names alone where nothing can be compared."""
        whole = data.train.joined([data.val, data.test])
        return Contents(unit=self.example, names=whole.names, splits=split_numbers(data))

    # -- evaluation

    def eval_precision(self, precision: str) -> str:
        """What a model trained in `precision` is evaluated and used in."""
        return "32-true"

    @abstractmethod
    def evaluate(self, model: LoadedModel, split: Any, loader_of: Callable[[Any], BatchLoader]) -> Evaluation:
        """Every example of a split exactly once. loader_of: batches of a split in order."""

    @abstractmethod
    def report(
        self, evaluation: Any, *, folder: Path, split: Any, spec: S, predictions_format: str, split_name: str
    ) -> list[Path]:
        """Tables and plots of an evaluation, and where they are. predictions_format: csv or jsonl.

        split_name: train, val, test or all.
        """

    def calibration(self, evaluation: Any) -> Calibration:
        """What an uncalibrated evaluation on validation examples says of the model's confidence."""
        raise RequestError(f"{self.name} is not calibrated: its results come without a confidence to correct.")

    def known_classes(self, split: Any) -> np.ndarray | None:
        """(N,) int64, the one class that each example of a split is of, below 0 where it is unknown; None for a task
        whose examples are of no single class.
        """
        return None

    def relabeled(self, split: Any, found: S, trained: S) -> Any:
        """A split of other data with the class numbers of the model. Raises RequestError for unknown classes."""
        return split

    def without_unknown(self, split: Any, found: S, trained: S) -> tuple[Any, list[Problem]]:
        """For on_bad=skip: a split of other data without the examples that `relabeled` would reject, and these."""
        return split, []

    def truncation_notes(self, split: Any, spec: S) -> list[str]:
        """How many examples are evaluated by their beginnings, a line each."""
        return []

    # -- prediction

    def check_options(self, options: PredictOptions, spec: S) -> None:
        """Rejects options, and keys of `decoding`, that mean nothing to this task."""
        if strange := [name for name in options.chosen() if name not in self.options]:
            raise RequestError(
                f"{strange[0]}= does not apply to this checkpoint ({spec}). "
                f"Its options: {listing(self.options) or 'none'}."
            )
        self.check_decoding(options.decoding)

    @abstractmethod
    def inputs(self, given: Mapping[str, Any], model: LoadedModel) -> Sequence[Any] | Iterable[Any]:
        """Raw inputs from the keys of `input_keys`, for this model. Raises RequestError for what is not there."""

    def explained_inputs(self, given: Mapping[str, Any], model: LoadedModel) -> Iterable[Any]:
        return self.inputs(given, model)

    @abstractmethod
    def predictor(self, model: LoadedModel, options: PredictOptions) -> Predictor:
        """The model ready to predict."""

    def writer(self, kind: str, *, output_file: str | None, inputs: Any, model: LoadedModel) -> Writer:
        """What writes predictions in a format of `formats`."""
        return standard_writer(kind, output_file=output_file)

    def artifacts(self, options: PredictOptions, inputs: Any, model: LoadedModel) -> Artifacts | None:
        """What writes files beside the predictions, such as overlays; None when none were asked for."""
        return None

    def stream(
        self, model: LoadedModel, options: PredictOptions, source: Any, *, kind: str, output_file: str | None
    ) -> None:
        """stream=true: results while audio comes in. Only where `streams`."""
        raise RequestError(f"stream=true is for audio, not for {model.spec}.")

    def live(self, model: LoadedModel, options: PredictOptions) -> Live:
        """The model ready for audio that comes in. Only where `streams`."""
        raise RequestError(f"Live audio is not for {model.spec}.")
