"""docs/overview.png: the boxes of a detector; confusion matrix, curves and worst errors of a classifier.

    python scripts/overview_figure.py DETECTOR_RUN CLASSIFIER_RUN

The runs are those of experiment=digit_scenes_detector and of `sensorium train`.
"""

import sys
from pathlib import Path

import numpy as np
from matplotlib import pyplot as plt

import sensorium
from sensorium.build import load_data
from sensorium.run_folder import RunFolder
from sensorium.vision.draw import draw_boxes
from sensorium.vision.palette import distinct_palette

ROWS = np.array([2, 5, 11])  # of the test split
OUTPUT = Path(__file__).parents[1] / "docs" / "overview.png"


def test_images(run: Path) -> np.ndarray:
    """Some images (B, 3, H, W) uint8 of the test split of a run."""
    section = RunFolder(run).read_config()["dataset"]
    images = load_data(section, on_bad="fail").test.images.read(ROWS)
    return np.repeat(images, 3, axis=1) if images.shape[1] == 1 else images


def detected(run: Path) -> np.ndarray:
    """The images side by side, with the boxes that the detector finds."""
    model = sensorium.load(run, accelerator="cpu")
    images = test_images(run)
    drawn = []
    for image, prediction in zip(images, model.predict(list(images.transpose(0, 2, 3, 1))), strict=True):
        names = prediction.class_names
        palette = np.array(distinct_palette(len(names))).reshape(-1, 3)
        boxes = prediction.boxes
        colors = [tuple(palette[label].tolist()) for label in boxes.labels]
        texts = [f"{names[label]} {score:.2f}" for label, score in zip(boxes.labels, boxes.scores, strict=True)]
        large = np.kron(image, np.ones((1, 3, 3), np.uint8))
        drawn.append(np.asarray(draw_boxes(large, boxes.boxes * 3, texts, colors)))
    return np.concatenate(drawn, axis=1)


def main() -> None:
    detector, classifier = map(Path, sys.argv[1:])
    panels = {
        "Object detection": detected(detector),
        "Confusion matrix": plt.imread(classifier / "plots" / "confusion.png"),
        "Training curves": plt.imread(classifier / "plots" / "history.png"),
        "Most confident errors": plt.imread(classifier / "plots" / "worst.png"),
    }
    figure, grid = plt.subplots(2, 2, figsize=(12, 7), layout="constrained", height_ratios=(1, 1))
    for axes, (title, panel) in zip(grid.ravel(), panels.items(), strict=True):
        axes.imshow(panel)
        axes.set_title(title, loc="left", fontsize=12)
        axes.axis("off")
    figure.savefig(OUTPUT, dpi=110)


if __name__ == "__main__":
    main()
