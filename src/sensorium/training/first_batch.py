"""debug=batch: the first training examples as the model is given them, drawn into one image."""

import base64
import io
import math
import textwrap
from itertools import chain, islice
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from PIL import Image

from sensorium.errors import RequestError
from sensorium.report_sections import ReportExample
from sensorium.tasks.plots import GREY, literal, new_figure, save_figure, shown, undrawn_notes
from sensorium.training.fit import Training
from sensorium.training.seen import how_prepared, seen_examples

_SIDE = 384  # pixels of the longer side of an image
_COLUMNS = 4
_LETTERS, _LINES = 34, 9  # of a text: what fits in a cell


def draw(training: Training, count: int, *, path: Path) -> str:
    """Draws the first `count` examples in the order of the training; what was written, in words."""
    loader, _ = training.loaders()
    rows = np.array(list(islice(chain.from_iterable(loader.sampler.batches(0)), count)), dtype=np.int64)
    module = training.task.to(training.device)
    batch, spec = loader.split.read(rows), training.data.spec
    examples = seen_examples(module, batch, split=loader.split, spec=spec, side=_SIDE)[: len(rows)]
    if not examples:
        raise RequestError(f"debug=batch: {type(module).__name__} calls no model in a training step.")
    how = how_prepared(module)
    _draw(examples, f"The first {len(examples)} training examples as the model is given them, {how}", path)
    said = f"saved batch preview: {path} ({len(examples)} training examples, {how}); no training was started"
    return "\n".join([said, *undrawn_notes()])


def _draw(examples: list[ReportExample], heading: str, path: Path) -> None:
    columns = min(_COLUMNS, len(examples))
    rows = math.ceil(len(examples) / columns)
    height = 2.5 if any(one.image for one in examples) else 1.6
    figure = new_figure(max(2.4 * columns, 4.0), height * rows + 0.4, layout="constrained")
    figure.suptitle("\n".join(textwrap.wrap(heading, 34 * columns)), x=0.01, ha="left", fontsize=9, color=GREY)
    cells = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in cells:
        axes.axis("off")
    for axes, example in zip(cells, examples, strict=False):
        title = [line for line in (shown(example.target, 32), shown(Path(example.name).name, 32)) if line]
        literal(axes.set_title("\n".join(title), fontsize=7, pad=3))
        _fill(axes, example)
    save_figure(figure, path)


def _fill(axes: Axes, example: ReportExample) -> None:
    """The image of an example, or what there is to read."""
    if example.image:
        pixels = Image.open(io.BytesIO(base64.b64decode(example.image.partition(",")[2])))
        axes.imshow(np.asarray(pixels.convert("RGB")), interpolation="nearest")
        return
    words = " ".join(text for passage in example.passages for text, _ in passage.pieces)
    lines = textwrap.wrap(words, _LETTERS, max_lines=_LINES, placeholder=" \N{HORIZONTAL ELLIPSIS}")
    literal(axes.text(0, 1, "\n".join(lines), va="top", ha="left", fontsize=7, family="monospace"))
