"""The files an evaluation of a regressor leaves: tables and plots."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from sensorium.files import write_csv, write_json_lines
from sensorium.tasks.plots import GRID, plot_gallery, shown
from sensorium.tasks.regression.evaluate import RegressionEvaluation
from sensorium.tasks.regression.plots import plot_predicted_vs_true
from sensorium.tasks.worst_texts import beginning, distinct


def write_regression_report(
    folder: Path,
    *,
    evaluation: RegressionEvaluation,
    target_names: Sequence[str],
    names: Sequence[str],
    read_images: Callable[[np.ndarray], np.ndarray] | None = None,
    texts: Sequence[str] | None = None,
    predictions_format: Literal["csv", "jsonl"],
) -> list[Path]:
    """Writes per_target.csv, predictions.csv or .jsonl, plots/predicted_vs_true.png, and of the examples with the
    largest errors plots/worst.png (images) or worst.csv (texts); returns their paths.

    target_names: K. names: N, of each example. read_images: rows (B,) int64 -> images (B, C, H, W) uint8; or None.
    texts: N, what there is to read instead; or None.
    """
    predictions, plots = folder / f"predictions.{predictions_format}", folder / "plots"
    write_csv(folder / "per_target.csv", _per_target_rows(evaluation, target_names))
    if predictions_format == "csv":
        write_csv(predictions, _prediction_rows(evaluation, target_names, names))
    else:
        write_json_lines(predictions, _prediction_records(evaluation, target_names, names))
    plot_predicted_vs_true(
        predictions=evaluation.predictions,
        targets=evaluation.targets,
        found=evaluation.per_target(),
        target_names=target_names,
        path=plots / "predicted_vs_true.png",
    )
    paths = [folder / "per_target.csv", predictions, plots / "predicted_vs_true.png"]
    if read_images is not None:
        paths.append(plots / "worst.png")
        worst = ranked_examples(evaluation)[: GRID**2]
        titles = [_worst_title(evaluation, row, target_names) for row in worst.tolist()]
        heading = "largest errors: true \N{RIGHTWARDS ARROW} predicted"
        plot_gallery(images=read_images(worst), titles=titles, heading=heading, path=paths[-1])
    if texts is not None:
        paths.append(folder / "worst.csv")
        write_csv(paths[-1], _worst_text_rows(evaluation, target_names, texts))
    return paths


def ranked_examples(evaluation: RegressionEvaluation) -> np.ndarray:
    """Rows of all examples, the largest error first: by the mean over targets of the absolute error in standard
    deviations.
    """
    errors = np.abs(evaluation.standardized_errors).mean(axis=1)
    return np.argsort(-errors, kind="stable")


def _worst_title(evaluation: RegressionEvaluation, row: int, target_names: Sequence[str]) -> str:
    """Of the target that is worst predicted: its name where there are several, the truth, and the prediction."""
    target = int(np.abs(evaluation.standardized_errors[row]).argmax())
    true, predicted = evaluation.targets[row, target], evaluation.predictions[row, target]
    name = f"{target_names[target]} " if len(target_names) > 1 else ""
    return shown(f"{name}{true:.4g} \N{RIGHTWARDS ARROW} {predicted:.4g}", 32)


def _per_target_rows(evaluation: RegressionEvaluation, target_names: Sequence[str]) -> Iterable[Sequence[object]]:
    found = evaluation.per_target()
    yield ("target", *found._fields, "mean", "std")
    targets = evaluation.targets
    columns = (*found, targets.mean(axis=0), targets.std(axis=0))
    yield from zip(target_names, *(values.tolist() for values in columns), strict=True)


def _prediction_records(
    evaluation: RegressionEvaluation, target_names: Sequence[str], names: Sequence[str]
) -> Iterator[dict[str, object]]:
    for row, name in enumerate(names):
        true, predicted = evaluation.targets[row], evaluation.predictions[row]
        numbers = {"target": true, "prediction": predicted, "error": predicted - true}
        by_name = {key: dict(zip(target_names, _rounded(values), strict=True)) for key, values in numbers.items()}
        yield {"index": row, "name": name, **by_name}


def _prediction_rows(
    evaluation: RegressionEvaluation, target_names: Sequence[str], names: Sequence[str]
) -> Iterator[Sequence[object]]:
    yield ("index", "name", *_columns(target_names))
    for row, name in enumerate(names):
        yield (row, name, *_numbers(evaluation, row))


def _worst_text_rows(
    evaluation: RegressionEvaluation, target_names: Sequence[str], texts: Sequence[str]
) -> Iterable[Sequence[object]]:
    yield ("index", *_columns(target_names), "count", "text")
    for row, count in distinct(ranked_examples(evaluation), texts):
        yield (row, *_numbers(evaluation, row), count, beginning(texts[row]))


def _columns(target_names: Sequence[str]) -> list[str]:
    """Three for each target; without its name where it is the only one."""
    kinds = ("target", "prediction", "error")
    if len(target_names) == 1:
        return list(kinds)
    return [f"{kind}_{name}" for name in target_names for kind in kinds]


def _numbers(evaluation: RegressionEvaluation, row: int) -> list[float]:
    """Those of `_columns`."""
    true, predicted = evaluation.targets[row], evaluation.predictions[row]
    return _rounded(np.stack([true, predicted, predicted - true], axis=1).ravel())


def _rounded(values: np.ndarray) -> list[float]:
    """Nine digits: more than a model's float32 holds."""
    return [float(f"{value:.9g}") for value in values.tolist()]
