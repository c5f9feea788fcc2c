"""The files an evaluation of a tagger leaves: tables and plots."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from sensorium.files import write_csv, write_json_lines
from sensorium.metrics.multilabel import PerLabel, precision_recall_curve
from sensorium.metrics.multilabel import average_precision as average_precision_of
from sensorium.tasks.image_tagging.evaluate import TaggingEvaluation
from sensorium.tasks.image_tagging.predict import SEPARATOR
from sensorium.tasks.plots import DARK, GREY, GRID, literal, new_figure, plot_gallery, save_figure, shown

MISTAKES = 3  # of an image that worst.png names
NAMED = 20  # up to how many tags the plot names each curve
PER_TAG = ("tag", "average_precision", "precision", "recall", "f1", "support", "best_threshold")


def write_tagging_report(
    folder: Path,
    *,
    found: TaggingEvaluation,
    class_names: Sequence[str],
    names: Sequence[str],
    read_images: Callable[[np.ndarray], np.ndarray],
    predictions_format: Literal["csv", "jsonl"],
    thresholds: bool,
) -> list[Path]:
    """Writes per_class.csv, predictions.csv or .jsonl (a line an image), plots/precision_recall.png and
    plots/worst.png; returns their paths.

    class_names: K tags. names: N, of each image. read_images: rows (B,) int64 -> images (B, C, H, W) uint8.
    thresholds: whether per_class.csv has the best threshold of each tag, which is not for a test to choose.
    """
    predictions = folder / f"predictions.{predictions_format}"
    plots = folder / "plots"
    per_tag = found.per_tag()
    write_csv(folder / "per_class.csv", _per_tag_rows(per_tag, class_names, thresholds=thresholds))
    if predictions_format == "csv":
        write_csv(predictions, _prediction_rows(found, class_names, names))
    else:
        write_json_lines(predictions, _prediction_records(found, class_names, names))
    plot_precision_recall(
        found=found,
        average_precision=per_tag.average_precision,
        class_names=class_names,
        path=plots / "precision_recall.png",
    )
    worst = worst_images(found)
    plot_gallery(
        images=read_images(worst) if len(worst) else np.empty((0, 1, 1, 1), np.uint8),
        titles=[mistakes(found, row, class_names) for row in worst.tolist()],
        heading="most confident errors: tags missed and wrongly added (probability)",
        path=plots / "worst.png",
    )
    return [folder / "per_class.csv", predictions, plots / "precision_recall.png", plots / "worst.png"]


def worst_images(found: TaggingEvaluation) -> np.ndarray:
    """Rows of the images with a wrong tag, or without one of theirs, of which the model was surest, surest first."""
    wrong = np.flatnonzero((found.predicted != (found.targets > 0)).any(axis=1))
    return wrong[np.argsort(-_worst_mistake(found)[wrong], kind="stable")][: GRID**2]


def _worst_mistake(found: TaggingEvaluation) -> np.ndarray:
    """(N,) how sure the model was of what it is most wrong about: 1 - the probability of the truth."""
    return np.abs(found.probabilities - found.targets).max(axis=1)


def mistakes(found: TaggingEvaluation, row: int, class_names: Sequence[str]) -> str:
    """The wrong decisions about an image, the surest first, a line each: "missed red (0.02)", "added blue (0.98)"."""
    wrong = np.flatnonzero(found.predicted[row] != (found.targets[row] > 0))
    ranked = wrong[np.argsort(-np.abs(found.probabilities[row] - found.targets[row])[wrong], kind="stable")]
    lines = [
        f"{'missed' if found.targets[row, tag] else 'added'} {shown(class_names[tag], 14)}"
        f" ({found.probabilities[row, tag]:.2f})"
        for tag in ranked[:MISTAKES].tolist()
    ]
    return "\n".join([*lines, *([f"and {len(ranked) - MISTAKES} more"] if len(ranked) > MISTAKES else [])])


def plot_precision_recall(
    *, found: TaggingEvaluation, average_precision: np.ndarray, class_names: Sequence[str], path: Path
) -> None:
    """A curve of each tag that occurs, and of all decisions together; the tags with the lowest average precision are
    named when there are many. average_precision: (K,), NaN for a tag that does not occur.
    """
    figure = new_figure(7.2, 4.6, layout="constrained")
    axes = figure.add_subplot()
    defined = np.flatnonzero(~np.isnan(average_precision))
    lowest_first = defined[np.argsort(average_precision[defined], kind="stable")]
    for place, tag in enumerate(lowest_first.tolist()):
        curve = precision_recall_curve(found.probabilities[:, tag], found.targets[:, tag])
        label = f"{shown(class_names[tag], 24)} (AP {average_precision[tag]:.3f})" if place < NAMED else None
        color = f"C{place % 10}" if place < NAMED else GREY
        axes.step(curve.recall, curve.precision, where="pre", linewidth=1, color=color, label=label, alpha=0.8)
    if len(defined):
        decisions = found.probabilities.reshape(-1, 1), found.targets.reshape(-1, 1)
        together = precision_recall_curve(*(values[:, 0] for values in decisions))
        micro = float(average_precision_of(*decisions)[0])
        label = f"micro-average (AP {micro:.3f})"
        axes.step(together.recall, together.precision, where="pre", linewidth=2.2, color=DARK, label=label)
        legend = figure.legend(loc="outside right upper", frameon=False, fontsize=7, title="average precision (AP)")
        for text in legend.get_texts():
            literal(text)
    axes.set(xlim=(0, 1.01), ylim=(0, 1.02), xlabel="recall", ylabel="precision")
    axes.spines[["top", "right"]].set_visible(False)
    save_figure(figure, path)


def _per_tag_rows(per_tag: PerLabel, class_names: Sequence[str], *, thresholds: bool) -> Iterator[Sequence[object]]:
    columns = len(PER_TAG) if thresholds else len(PER_TAG) - 1  # the last is the best threshold
    yield PER_TAG[:columns]
    for row in zip(class_names, *(values.tolist() for values in per_tag), strict=True):
        yield row[:columns]


def _tags(row: np.ndarray, class_names: Sequence[str]) -> list[str]:
    """Names of the tags of a row (K,) bool."""
    return [class_names[tag] for tag in np.flatnonzero(row).tolist()]


def _prediction_records(
    found: TaggingEvaluation, class_names: Sequence[str], names: Sequence[str]
) -> Iterator[dict[str, object]]:
    for row, name in enumerate(names):
        tags, predicted = found.targets[row] > 0, found.predicted[row]
        yield {
            "index": row,
            "name": name,
            "tags": _tags(tags, class_names),
            "predicted": _tags(predicted, class_names),
            "correct": bool((tags == predicted).all()),
            "probabilities": dict(zip(class_names, _rounded(found.probabilities[row]), strict=True)),
        }


def _prediction_rows(
    found: TaggingEvaluation, class_names: Sequence[str], names: Sequence[str]
) -> Iterator[Sequence[object]]:
    yield ("index", "name", "tags", "predicted", "correct", *(f"probability_{name}" for name in class_names))
    for record in _prediction_records(found, class_names, names):
        index, name, tags, predicted, correct, probabilities = record.values()
        cells = [SEPARATOR.join(some) for some in (tags, predicted)]  # type: ignore[arg-type]
        yield (index, name, *cells, correct, *probabilities.values())  # type: ignore[attr-defined]


def surest_mistake(record: Mapping[str, str]) -> float | None:
    """Of a row of predictions.csv: 1 - the probability of the truth of the tag it is most wrong about; None where all
    are right.
    """
    if record["correct"] == "true":
        return None
    tags = record["tags"].split(SEPARATOR)
    values = {key.removeprefix("probability_"): float(value) for key, value in record.items() if "probability_" in key}
    return max(abs(value - (name in tags)) for name, value in values.items())


def _rounded(probabilities: np.ndarray) -> list[float]:
    """Six digits: as many as a float32 holds for certain."""
    return [float(f"{value:.6g}") for value in probabilities.tolist()]
