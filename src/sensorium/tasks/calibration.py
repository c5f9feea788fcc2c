"""What validation examples say of a trained model's confidence, as a checkpoint keeps it.

A correction of its probabilities, measured before and after; and, of examples that the correction was not fitted on,
what guarantees are derived from (`metrics.conformal`). It is data from a file: `from_dict` takes nothing on trust.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sensorium.data.base import counted
from sensorium.errors import RequestError
from sensorium.metrics.calibration import CalibrationError, Scaling
from sensorium.metrics.conformal import (
    CONFIDENCE,
    Selection,
    error_bound,
    examples_needed,
    select,
    selection_needed,
    threshold,
)
from sensorium.report_sections import Cell, Section, Table

METHODS = ("none", "temperature", "vector", "platt")
FEWEST = 100  # examples below which nothing is fitted: a temperature would follow their luck
FOLDS = 5
CROSS_FITTED = f"{FOLDS}-fold cross-fitting"
MOST_KEPT = 100_000  # validation examples that a checkpoint keeps scores of
_MOST_SCALE = 1e3  # far above any that is fitted
_DTYPES = (torch.float32, torch.float64, torch.bool)
HINT = "Add them: sensorium eval ckpt=THIS split=val calibrate=NEW.ckpt"


class LogScaling(nn.Module):
    """Logits (B, K, ...) -> calibrated logits of the same shape: scale * log p + bias; part of an exported graph.

    classes: whether classes exclude each other (softmax), or each logit is the log-odds of a tag or box.
    """

    scale: Tensor
    bias: Tensor

    def __init__(self, *, scale: np.ndarray, bias: np.ndarray, classes: bool) -> None:
        super().__init__()
        self.classes = classes
        self.register_buffer("scale", torch.as_tensor(scale, dtype=torch.float32))
        self.register_buffer("bias", torch.as_tensor(bias if bias.size else [0.0], dtype=torch.float32))

    def forward(self, logits: Tensor) -> Tensor:
        shape = [1, -1] + [1] * (logits.ndim - 2)
        # Scales of the classes belong to log-probabilities: logits have a level of their own for every example.
        found = logits.log_softmax(1) if self.classes else logits
        return found * self.scale.view(shape) + self.bias.view(shape)


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """method: of METHODS. scaling: the correction; None for "none". fitted: examples that corrections were fitted on, 0
    where there were too few to try. what: they, in a word. unfitted: why corrections were not tried; sampled: whether
    the examples are some of more; both for the lines after a training, not stored. before, after: the calibration error
    of `measured` examples, each corrected by what was fitted on others (cross-fitting); None where it was not measured.

    scores: (n,) float32, sorted, of the labels of n examples; or (n, K) float64, each column sorted, absolute errors.
    confidence, correct: (n,) float32 and bool, the highest confidence first. Empty where a task has none.
    """

    method: str
    scaling: Scaling | None = None
    fitted: int = 0
    what: str = "examples"
    unfitted: str = ""
    sampled: bool = False
    measured: int = 0
    before: CalibrationError | None = None
    after: CalibrationError | None = None
    scores: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))
    confidence: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))
    correct: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))

    def module(self, *, classes: bool) -> nn.Module:
        """What corrects logits (B, K, ...); the identity without a correction."""
        if self.scaling is None:
            return nn.Identity()
        return LogScaling(scale=self.scaling.scale, bias=self.scaling.bias, classes=classes)

    # -- what is asked of it

    def set_threshold(self, coverage: float) -> np.ndarray:
        """(...,): the conformity score up to which classes are in a set, or how wide an interval is to each side.

        Raises RequestError when there are too few examples for this coverage.
        """
        needed = examples_needed(coverage)
        if len(self.scores) < needed:
            raise RequestError(
                f"coverage={coverage:g} cannot be guaranteed: it needs at least {needed:,} validation examples, and "
                f"this checkpoint has {len(self.scores):,}.\n{self._possible()}"
            )
        return threshold(self.scores, coverage)

    def _possible(self) -> str:
        size = len(self.scores)
        if not size:
            return HINT
        most = math.floor(1000 * size / (size + 1)) / 1000
        return f"Ask for a coverage of at most {most:g}, or calibrate on more examples."

    def selection(self, max_error: float) -> Selection:
        """From which confidence on the error rate is at most max_error.

        Raises RequestError when the examples are too few for it, or show it at no confidence.
        """
        size, needed = len(self.confidence), selection_needed(max_error)
        if size < needed:
            raise RequestError(
                f"max_error={max_error:g} cannot be shown with {CONFIDENCE:.0%} confidence: it needs at least "
                f"{needed:,} validation examples, and this checkpoint has {size:,}.\n"
                "Ask for a larger max_error, or calibrate on more examples."
            )
        if (found := select(self.confidence, self.correct, max_error)) is None:
            least = min(self._shown(share) for share in (1.0, 0.5, 0.25, 0.1))
            raise RequestError(
                f"max_error={max_error:g} cannot be shown: of {size:,} validation examples, even those that the model "
                f"is most sure of are wrong too often.\nAsk for a max_error above {least:.3f}."
            )
        return found

    def _shown(self, share: float) -> float:
        """The bound on the error rate of the most confident share of the examples."""
        count = max(1, int(len(self.correct) * share))
        risk = (1 - CONFIDENCE) / max(1, math.ceil(math.log2(max(2, len(self.correct)))))
        return error_bound(int((~self.correct[:count]).sum()), count, risk)

    def lines(self) -> list[str]:
        """What a person reads after a training."""
        if self.unfitted and not self.measured:
            return [f"calibration: left as it is: {self.unfitted}"]
        if self.before is None or self.after is None:
            return [f"calibration: {counted(len(self.scores), 'validation example')} kept for intervals"]
        before, after = (f"{one.value:.4f} ({one.low:.4f} to {one.high:.4f})" for one in (self.before, self.after))
        measured = f"{self.measured:,} {'sampled ' if self.sampled else ''}validation {self.what}"
        error = f"calibration error of {measured} {before}"
        if not self.fitted:
            why = self.unfitted or f"{measured} are too few to fit a correction"
            return [f"calibration: left as it is: {why}; {error}"]
        if self.scaling is None:
            why = f"no correction lowered the loss and the calibration error by more than chance ({CROSS_FITTED})"
            return [f"calibration: left as it is, as {why}; {error}"]
        return [
            f"calibration: {_described(self.method, self.scaling)} fitted on {self.fitted:,} validation {self.what}",
            f"calibration error of {measured}: {before} before, {after} after, each corrected by a fit on others "
            f"({CROSS_FITTED})",
        ]

    def sections(self) -> list[Section]:
        """What a report shows: the calibration error on validation, before and after."""
        if self.before is None or self.after is None:
            return []
        named = {"before": self.before} | ({} if self.scaling is None else {"after": self.after})
        rows: list[list[Cell]] = [[name, *(round(end, 4) for end in error)] for name, error in named.items()]
        lines = [line.removeprefix("calibration: ") for line in self.lines()]
        note = " ".join(f"{line[0].upper()}{line[1:]}." for line in lines)
        columns = ["", "calibration error", "95% interval from", "to"]
        return [Table(title="Calibration on validation", columns=columns, rows=rows, note=note)]

    def metrics(self) -> dict[str, float]:
        """The calibration error before and after, with its interval, as metrics.json has them."""
        found: dict[str, float] = {}
        for name, one in (("uncalibrated_error", self.before), ("calibrated_error", self.after)):
            if one is not None:
                found |= {f"val/{name}": one.value, f"val/{name}_low": one.low, f"val/{name}_high": one.high}
        return found

    # -- in a checkpoint

    def to_dict(self) -> dict[str, Any]:
        """Plain types and tensors, as a checkpoint stores it."""
        errors = {name: one and list(one) for name, one in (("before", self.before), ("after", self.after))}
        scaling = self.scaling and [self.scaling.scale.tolist(), self.scaling.bias.tolist()]
        plain = {"method": self.method, "scaling": scaling, "fitted": self.fitted, "what": self.what}
        arrays = {name: torch.from_numpy(getattr(self, name).copy()) for name in ("scores", "confidence", "correct")}
        return {**plain, "measured": self.measured, **errors, **arrays}

    @classmethod
    def from_dict(cls, values: Any, *, num_classes: int, targets: int) -> "Calibration":
        """The inverse of `to_dict`. num_classes, targets: of the checkpoint's spec; 0 for a task without.

        Raises ValueError with what is wrong.
        """
        _check(isinstance(values, Mapping) and values.get("method") in METHODS, "method is unknown")
        counts = [values.get(name) for name in ("fitted", "measured")]
        _check(all(isinstance(one, int) and 0 <= one < 2**40 for one in counts), "fitted or measured is no count")
        what = values.get("what")
        _check(isinstance(what, str) and what.isalpha() and len(what) <= 30, "what is no word")
        scores, confidence = _array(values, "scores"), _array(values, "confidence")
        _check(scores.ndim in (1, 2) and confidence.ndim == 1, "scores have another shape")
        _check(bool((scores[1:] >= scores[:-1]).all()), "scores are not sorted")
        _check(bool((confidence[1:] <= confidence[:-1]).all()), "confidence is not sorted")
        _check(bool((confidence <= 1.001).all()), "a confidence is above 1")
        correct = _array(values, "correct")
        _check(correct.shape == confidence.shape and correct.dtype == bool, "correct does not fit confidence")
        _check(not len(scores) or scores.shape[1:] == ((targets,) if targets else ()), "scores do not fit the targets")
        return cls(
            method=values["method"],
            scaling=_scaling(values.get("scaling"), num_classes),
            fitted=values["fitted"],
            what=values["what"],
            measured=values["measured"],
            before=_error(values.get("before")),
            after=_error(values.get("after")),
            scores=scores,
            confidence=confidence,
            correct=correct,
        )


def kept(size: int) -> np.ndarray:
    """Rows of at most MOST_KEPT examples, evenly spaced."""
    return np.unique(np.linspace(0, size - 1, min(size, MOST_KEPT)).astype(np.int64))


def needed(calibration: Calibration | None, key: str) -> Calibration:
    """The calibration that a request of coverage= or max_error= needs. Raises RequestError where there is none."""
    if calibration is None:
        raise RequestError(
            f"{key}= needs what was measured on validation examples, and this checkpoint has no calibration (an earlier"
            f" version, or calibration=none).\n{HINT}"
        )
    return calibration


def _described(method: str, scaling: Scaling) -> str:
    temperatures = 1 / scaling.scale
    low, high = float(temperatures.min()), float(temperatures.max())
    if len(temperatures) > 1:
        return f"{method} scaling, temperatures {low:.3f} to {high:.3f}"
    return f"{method} {low:.3f}" if method == "temperature" else f"{method} scaling, temperature {low:.3f}"


def _check(sound: bool, fault: str) -> None:
    if not sound:
        raise ValueError(fault)


def _array(values: Mapping[str, Any], name: str) -> np.ndarray:
    value = values.get(name)
    if not isinstance(value, Tensor) or value.layout != torch.strided or value.dtype not in _DTYPES:
        raise ValueError(f"{name} is missing")
    _check(value.ndim in (1, 2) and len(value) <= MOST_KEPT, f"{name} is too large")
    _check(bool(((value >= 0) & value.double().isfinite()).all()), f"{name} is negative or not finite")
    array: np.ndarray = value.detach().numpy()
    return array


def _numbers(value: Any, fault: str) -> np.ndarray:
    _check(isinstance(value, list) and all(isinstance(one, float | int) for one in value), fault)
    _check(all(-_MOST_SCALE <= one <= _MOST_SCALE for one in value), fault)  # nor NaN
    return np.array(value, dtype=np.float64)


def _scaling(value: Any, num_classes: int) -> Scaling | None:
    if value is None:
        return None
    fault = "scaling is damaged"
    _check(isinstance(value, Sequence) and len(value) == 2, fault)
    scale, bias = (_numbers(one, fault) for one in value)
    _check(len(scale) in (1, num_classes) and len(bias) in (0, 1, num_classes), "scaling does not fit the classes")
    _check(bool((scale > 0).all()), "a scale is not above 0")
    return Scaling(scale, bias)


def _error(value: Any) -> CalibrationError | None:
    if value is None:
        return None
    found = _numbers(value, "a calibration error is no number")
    _check(len(found) == 3, "a calibration error is no number")
    return CalibrationError(*found.tolist())
