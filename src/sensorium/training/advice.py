"""Warnings about the data, before training, and about the result, after it, with remedies."""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from sensorium.data.base import SPLITS, Data, counted
from sensorium.errors import listing
from sensorium.run_config import RunConfig
from sensorium.tasks import registry
from sensorium.training.history import Row
from sensorium.training.overview import Facts
from sensorium.verdict import Verdict

FEW_VALIDATED = 30  # examples; with fewer, one more or less right moves a metric by over three points
MOSTLY = 0.75  # share of the training labels from which one class is most of them
MOSTLY_UNKNOWN = 0.5
_LACKING = {
    "train": "it cannot be learned",
    "val": "it has no say in the choice of the best checkpoint",
    "test": "it is not evaluated",
}
DIVERGED = 1.5  # val/loss at the end, as a multiple of the lowest


class Advice(NamedTuple):
    """what: what is wrong. remedy: what to try."""

    what: str
    remedy: str


def show(found: Iterable[Advice], say: Callable[..., None]) -> None:
    """Each in two lines, in bold where there is a terminal."""
    for what, remedy in found:
        say(f"WARNING: {what}\n         {remedy}", style="bold yellow")


def about_data(config: RunConfig, data: Data, facts: Facts) -> list[Advice]:
    """What can be seen before training."""
    return [*_few_validated(config, data), *_missing_classes(facts), *_one_class(facts), *_unknown(config, facts)]


def about_result(rows: Sequence[Row], verdict: Verdict | None) -> list[Advice]:
    """What can be seen afterwards. rows: of the history. verdict: None without a test."""
    return [*_not_better(verdict), *_diverged(rows)]


def _few_validated(config: RunConfig, data: Data) -> list[Advice]:
    count = len(data.val)
    if count >= FEW_VALIDATED:
        return []
    share = f"dataset.val_fraction={'0.3' if _value(config, 'val_fraction') != 0.3 else '0.4'}, or "
    size, share_of = counted(count, registry.of(data.spec).example), 100 / max(1, count)
    what = f"validation has only {size}, each {share_of:.2g}% of it: the choice of the best checkpoint is uncertain."
    return [Advice(what, f"Try {share if _value(config, 'val_fraction') is not None else ''}more data.")]


def _value(config: RunConfig, key: str) -> object:
    return config.dataset.get(key)


def _missing_classes(facts: Facts) -> list[Advice]:
    """A sample of a split may lack what the split has."""
    found = []
    for split in SPLITS:
        missing = [label for label, count in facts[split].classes.items() if count == 0]
        if missing and not facts[split].sampled:
            classes = f"class{'es' if len(missing) > 1 else ''} {listing(missing, 5)}"
            remedy = f"Try to move some into {split}, or remove the class."
            found.append(Advice(f"{split} has no {facts[split].counted} of {classes}: {_LACKING[split]}.", remedy))
    return found


def _one_class(facts: Facts) -> list[Advice]:
    counts, total = facts["train"].classes, sum(facts["train"].classes.values())
    if facts["train"].counted != "examples" or not total:
        return []
    most = max(counts, key=lambda label: counts[label])
    share = counts[most] / total
    if share < MOSTLY:
        return []
    what = f'{share:.0%} of the training labels are "{most}": always predicting it scores well.'
    return [Advice(what, "Try class_weights=balanced, and compare balanced_accuracy and macro_f1.")]


def _unknown(config: RunConfig, facts: Facts) -> list[Advice]:
    worst = max(SPLITS, key=lambda split: facts[split].unknown)
    share = facts[worst].unknown
    if share <= MOSTLY_UNKNOWN:
        return []
    keys = {
        "tokenizer": "dataset.tokenizer=bpe",
        "min_count": "dataset.min_count=1",
        "vocab_size": "a larger vocab_size",
    }
    remedies = [text for key, text in keys.items() if _value(config, key) is not None]
    what = f"{share:.0%} of the tokens of {worst} are unknown: the model does not see them."
    return [Advice(what, f"Try {' or '.join([*remedies, 'more data'])}.")]


def _not_better(verdict: Verdict | None) -> list[Advice]:
    if verdict is None or verdict.constant is None or verdict.beaten:
        return []
    comparison = "significantly worse" if verdict.behind else "not significantly better"
    what = f"the result is {comparison} than {verdict.constant.what}."
    remedy = "Try lr=find, more epochs, a smaller batch_size or another model, and check the labels."
    return [Advice(what, remedy)]


def _diverged(rows: Sequence[Row]) -> list[Advice]:
    losses = [(int(row["epoch"]) + 1, float(row["train/loss"]), float(row["val/loss"])) for row in rows if _whole(row)]
    if len(losses) < 2:
        return []
    epoch, train, lowest = min(losses, key=lambda found: found[2])
    _, train_now, now = losses[-1]
    if now < DIVERGED * lowest or train_now >= train:
        return []
    what = (
        f"train and validation diverge: val/loss rose from {lowest:.4g} at epoch {epoch} to {now:.4g}, while train/loss"
        f" fell to {train_now:.4g}."
    )
    return [Advice(what, "Try callbacks=early_stopping, augmentation, a smaller model, more dropout or more data.")]


def _whole(row: Row) -> bool:
    return "train/loss" in row and "val/loss" in row
