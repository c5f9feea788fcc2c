"""The files an evaluation of a segmenter leaves, and masks drawn for people."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from matplotlib.patches import Patch
from PIL import Image

from sensorium.batches import VOID
from sensorium.files import write_csv, write_json_lines
from sensorium.metrics.segmentation import per_class
from sensorium.tasks.classification.report import confusion_rows
from sensorium.tasks.plots import literal, new_figure, plot_confusion, save_figure, shown
from sensorium.tasks.semantic_segmentation.evaluate import ImageResult, SegmentationEvaluation

COLUMNS = ("index", "name", "miou", "pixel_accuracy")
VOID_COLOR = (255, 255, 255)
OPAQUE = 0.55  # how much of the image the colors of an overlay cover
Masks = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


def write_segmentation_report(
    folder: Path,
    *,
    found: SegmentationEvaluation,
    class_names: Sequence[str],
    palette: Sequence[int],
    names: Sequence[str],
    read: Masks,
    predictions_format: Literal["csv", "jsonl"],
) -> list[Path]:
    """Writes per_class.csv, confusion.csv, predictions.csv or .jsonl (a line an image), plots/confusion.png and
    plots/worst.png; returns their paths.

    class_names: K of them. palette: 3K numbers. names: N. read: rows (B,) -> images (B, C, H, W) and masks (B, H, W),
    both uint8; asked for a few alone.
    """
    predictions = folder / f"predictions.{predictions_format}"
    paths = [folder / "per_class.csv", folder / "confusion.csv", predictions]
    paths += [folder / "plots" / "confusion.png", folder / "plots" / "worst.png"]
    write_csv(paths[0], _per_class_rows(found.confusion, class_names))
    write_csv(paths[1], confusion_rows(found.confusion, class_names))
    rows = zip(range(len(names)), names, _rounded(found.iou), _rounded(found.pixel_accuracy), strict=True)
    if predictions_format == "csv":
        write_csv(predictions, [COLUMNS, *rows])
    else:
        write_json_lines(predictions, (dict(zip(COLUMNS, row, strict=True)) for row in rows))
    plot_confusion(matrix=found.confusion, class_names=class_names, path=paths[3])
    images, masks = read(np.array([result.row for result in found.worst], dtype=np.int64))
    plot_worst_masks(
        worst=found.worst,
        images=images,
        masks=masks,
        names=[names[result.row] for result in found.worst],
        class_names=class_names,
        palette=palette,
        path=paths[4],
    )
    return paths


def plot_worst_masks(
    *,
    worst: Sequence[ImageResult],
    images: np.ndarray,
    masks: np.ndarray,
    names: Sequence[str],
    class_names: Sequence[str],
    palette: Sequence[int],
    path: Path,
) -> None:
    """Image, reference and prediction side by side, two examples a row, and what the colors mean.

    images: (B, C, H, W) uint8. masks: (B, H, W) uint8, the references. names: B of them.
    """
    height, width = masks.shape[1:]
    rows = max(1, -(-len(worst) // 2))
    side = 2.1 * min(2.0, max(0.5, height / width))
    figure = new_figure(13, (side + 0.45) * rows + 0.5, layout="constrained")
    grid = figure.subplots(rows, 6, squeeze=False).reshape(-1, 3)
    for axes in grid.ravel():
        axes.axis("off")
    for place, result, image, mask, name in zip(grid, worst, images, masks, names, strict=False):
        views = (as_rgb(image), colored(mask, palette), colored(result.mask, palette))
        titles = (shown(Path(name).name, 30), "reference", f"prediction, IoU {result.iou:.2f}")
        for axes, view, title in zip(place, views, titles, strict=True):
            axes.imshow(view, interpolation="nearest")
            literal(axes.set_title(title, fontsize=8, pad=3))
    occurring = sorted({*np.unique(masks).tolist(), *(number for j in worst for number in np.unique(j.mask).tolist())})
    colors = color_table(palette) / 255
    handles = [
        Patch(facecolor=tuple(colors[number]), edgecolor="#999999", label=_label(number, class_names))
        for number in occurring
    ]
    legend = figure.legend(handles=handles, loc="outside lower center", ncols=8, fontsize=8, frameon=False)
    for text in legend.get_texts():
        literal(text)
    save_figure(figure, path)


def color_table(palette: Sequence[int]) -> np.ndarray:
    """(256, 3) uint8: the color of each number a mask can hold."""
    table = np.zeros((256, 3), dtype=np.uint8)
    table[: len(palette) // 3] = np.array(palette, dtype=np.uint8).reshape(-1, 3)
    table[VOID] = VOID_COLOR
    return table


def colored(mask: np.ndarray, palette: Sequence[int]) -> np.ndarray:
    """A mask (H, W) uint8 -> (H, W, 3) uint8."""
    return color_table(palette)[mask]


def as_rgb(image: np.ndarray) -> np.ndarray:
    """(C, H, W) uint8 -> (H, W, 3); other than three channels as the gray of their mean."""
    if len(image) != 3:
        image = np.repeat(image.mean(axis=0, keepdims=True).astype(np.uint8), 3, axis=0)
    return image.transpose(1, 2, 0)


def overlay(image: np.ndarray, mask: np.ndarray, palette: Sequence[int]) -> np.ndarray:
    """An image (C, H, W) with its mask's colors (H, W) laid over it -> (H, W, 3) uint8; VOID is unchanged."""
    pixels = as_rgb(image).astype(np.float32)
    cover = np.where(mask == VOID, 0, OPAQUE)[..., None]
    return np.rint(pixels * (1 - cover) + colored(mask, palette) * cover).astype(np.uint8)


def indexed(mask: np.ndarray, palette: Sequence[int]) -> Image.Image:
    """An image whose pixels are the class numbers (H, W) uint8 themselves, shown in the palette's colors."""
    image = Image.fromarray(mask)
    image.putpalette(color_table(palette).tobytes())
    return image


def _label(number: int, class_names: Sequence[str]) -> str:
    return "void" if number == VOID else shown(class_names[number], 20)


def _per_class_rows(matrix: np.ndarray, class_names: Sequence[str]) -> Iterable[Sequence[object]]:
    yield ("class", "iou", "dice", "accuracy", "precision", "pixels")
    found = per_class(matrix)
    yield from zip(class_names, *(values.tolist() for values in found), strict=True)


def _rounded(values: np.ndarray) -> list[float | None]:
    """Six digits; None, an empty cell of a table and null in JSON, for an image without a counted pixel."""
    return [None if np.isnan(value) else float(f"{value:.6g}") for value in values.tolist()]
