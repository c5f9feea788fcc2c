"""A result in a line: the headline metric, its confidence interval, and a constant baseline."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sensorium import output
from sensorium.data.base import Data, counted
from sensorium.runs import Summary
from sensorium.tasks import registry
from sensorium.tasks.base import ConstantAnswer, Evaluation

Row = Mapping[str, float | int | str]  # of a history


class Verdict(NamedTuple):
    """line: for the user. constant: the constant answer, where there is one. beaten, behind: whether the result is
    better, or worse, than that by more than the luck of which examples were in the test. interval: 95%, of the
    headline metric.
    """

    line: str
    constant: ConstantAnswer | None
    beaten: bool
    behind: bool = False
    interval: tuple[float, float] | None = None


def verdict(evaluation: Evaluation, data: Data) -> Verdict:
    """On the test split of the data that the model was trained on."""
    return _verdict(evaluation, data, "test", data.test, compare=True)


def line_of(evaluation: Evaluation, data: Data, name: str, split: Any, *, own: bool) -> str:
    """The line for any split. own: whether it is of the data that the model was trained on, of whose training split and
    test the constant answer is.
    """
    return _verdict(evaluation, data, name, split, compare=own and name == "test").line


def _verdict(evaluation: Evaluation, data: Data, name: str, split: Any, *, compare: bool) -> Verdict:
    task = registry.of(data.spec)
    metric, size = task.headline, counted(len(split), task.example)
    title = f"{name} {metric.name}"
    if metric.name not in evaluation.metrics:
        return Verdict(f"{title}: undefined on these examples", None, beaten=True)
    value = evaluation.metrics[metric.name]
    if meaningless := evaluation.headline_caveat():
        return Verdict(f"{title}: {value:.4g} ({size}): {meaningless}", None, beaten=True)
    constant = task.constant_answer(data, evaluation) if compare else None
    interval = evaluation.headline_interval()
    within = f"95% interval {interval[0]:.4g} to {interval[1]:.4g}, " if interval else ""
    line = f"{title}: {value:.4g} ({within}{size})"
    if constant is None:
        return Verdict(line, None, beaten=True, interval=interval)
    low, high = interval or (value, value)
    above, below = low > constant.value, high < constant.value
    beaten, behind = (above, below) if metric.higher_is_better else (below, above)
    return Verdict(f"{line}; {constant.what} would score {constant.value:.4g}", constant, beaten, behind, interval)


def untested(summary: Summary, data: Data) -> str:
    """The line of a training without a test (test=false)."""
    size = counted(len(data.val), registry.of(data.spec).example)
    if summary.best_epoch is None:
        return "neither validated nor tested: this model has no evaluation"
    if summary.best is None:
        return f"{summary.monitor}: undefined ({size}, whose loss chose the checkpoint); test=false"
    return f"{summary.monitor}: {summary.best:.4g} ({size}, by which the checkpoint was chosen); test=false"


def chosen(summary: Summary, rows: Sequence[Row] = ()) -> str:
    """Which epoch the best checkpoint is from, and what is done with it. rows: of the history, of which several may
    have the best value.
    """
    if summary.best_epoch is None:
        return "best.ckpt has the weights of the last epoch: nothing was validated"
    epoch = f"epoch {summary.best_epoch} of {summary.epochs}"
    best = f"the validation loss ({summary.monitor} was undefined)"
    if summary.best is not None:
        best = f"{summary.monitor} {output.shown(summary.best, summary.monitor)}{_tie(summary, rows)}"
    return f"best.ckpt is from {epoch}, by {best}; test metrics are those of best.ckpt"


def _tie(summary: Summary, rows: Sequence[Row]) -> str:
    """What decided between epochs of the same value; "" where there is one."""
    tied = [row for row in rows if row.get(summary.monitor) == summary.best]
    if len(tied) < 2:
        return ""
    lowest = summary.monitor != "val/loss" and all("val/loss" in row for row in tied)
    return f" ({len(tied)} epochs are equal; the {'lowest val/loss' if lowest else 'last'} decides)"
