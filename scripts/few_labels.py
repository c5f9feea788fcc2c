"""Accuracy over labels: Fashion-MNIST with 1, 4, 10, 40 and all labels a class, in several ways and with three seeds.

Usage: python scripts/few_labels.py FOLDER [--seeds 0 1 2] [--ways supervised fixmatch ...] [key=value ...]

Every training is a `sensorium train` of its own in FOLDER; those that are done are not repeated, one that was
interrupted goes on. Writes FOLDER/few_labels.csv, few_labels.md (mean ± standard deviation over seeds, which are draws
of labels too) and few_labels.png; all of them after each training. Overrides go to every training.
"""

import argparse
import csv
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import matplotlib.pyplot as plt

LEVELS = ("1", "4", "10", "40", "all")
# A small net, and as many steps for every way and number of labels.
COMMON = (
    "model=small_cnn", "model.width=16", "augment=flip_crop", "augment.transforms.crop.padding=2",
    "optimizer=adamw", "lr=3e-3", "scheduler=cosine", "callbacks=ema", "callbacks.ema.decay=0.99",
    "trainer.precision=bf16-mixed", "threads=1", "workers=1", "batch_size=32", "eval_batch_size=500",
)  # fmt: skip
STEPS = ("dataset=fashion_mnist", "epoch_batches=250", "trainer.max_epochs=4")
# Learned once for each seed, before the trainings that start from it.
BEFORE = {
    "simclr": ("learning=simclr", *STEPS, "batch_size=128"),
    "digits": ("dataset=digits", "dataset.image_size=28", "epoch_batches=250", "trainer.max_epochs=4"),
}
WAYS: dict[str, tuple[str, ...]] = {
    "supervised": STEPS,
    "pseudo_label": (*STEPS, "learning=pseudo_label"),
    "fixmatch": (*STEPS, "learning=fixmatch", "learning.align=true"),
    "mean_teacher": (*STEPS, "learning=mean_teacher"),
    "simclr": (*STEPS, "model.backbone_lr_scale=0.1", "model.init={simclr}"),
    "transfer": (*STEPS, "model.backbone_lr_scale=1", "model.init={digits}"),
}
TITLES = {
    "supervised": "supervised",
    "pseudo_label": "pseudo-labels",
    "fixmatch": "FixMatch",
    "mean_teacher": "mean teacher, strong views",
    "simclr": "SimCLR, then fine-tuned",
    "transfer": "transfer from digits",
}


def train(folder: Path, overrides: Iterable[str]) -> tuple[Path, float]:
    """The run in this folder, trained to its end, and the seconds it took."""
    done = folder / "done.json"
    begun = [path for path in folder.glob("*/*") if (path / "config.yaml").exists()]
    if not done.exists():
        what = [f"resume={begun[0]}", "threads=1"] if begun else [*overrides, f"run_root={folder}"]
        started = time.perf_counter()
        subprocess.run([sys.executable, "-m", "sensorium", "train", *what], check=True)
        (run,) = (path for path in folder.glob("*/*") if path.is_dir())
        done.write_text(json.dumps({"run": str(run), "seconds": time.perf_counter() - started}))
    found = json.loads(done.read_text())
    return Path(found["run"]), found["seconds"]


def measured(root: Path, way: str, level: str, seed: int, overrides: list[str]) -> dict[str, object]:
    """One row of the table, after its training and what that starts from."""
    starts = {}
    for name in BEFORE:
        if any(f"{{{name}}}" in item for item in WAYS[way]):
            run, _ = train(root / f"before_{name}_{seed}", (*COMMON, *BEFORE[name], f"seed={seed}", *overrides))
            starts[name] = run / "checkpoints" / "best.ckpt"
    labels = () if level == "all" else (f"labels_per_class={level}",)
    chosen = (item.format(**starts) if starts else item for item in WAYS[way])
    run, seconds = train(root / f"{way}_{level}_{seed}", (*COMMON, *chosen, *labels, f"seed={seed}", *overrides))
    accuracy = json.loads((run / "metrics.json").read_text())["test/accuracy"]
    return {"way": way, "labels_per_class": level, "seed": seed, "accuracy": accuracy, "seconds": round(seconds, 1)}


def cells(rows: list[dict[str, object]]) -> dict[tuple[str, str], list[float]]:
    """Accuracies in percent, by way and level."""
    found: dict[tuple[str, str], list[float]] = {}
    for row in rows:
        found.setdefault((str(row["way"]), str(row["labels_per_class"])), []).append(100 * float(str(row["accuracy"])))
    return found


def table(rows: list[dict[str, object]]) -> str:
    """Markdown, a way a line."""
    found = cells(rows)

    def cell(way: str, level: str) -> str:
        values = found.get((way, level), [])
        spread = f" ± {statistics.stdev(values):.1f}" if len(values) > 1 else ""
        return f"{statistics.mean(values):.1f}{spread}" if values else ""

    lines = [f"| labels of each class | {' | '.join(LEVELS)} |", f"|---{'|---' * len(LEVELS)}|"]
    for way in dict.fromkeys(way for way, _ in found):
        lines.append(f"| {TITLES[way]} | {' | '.join(cell(way, level) for level in LEVELS)} |")
    return "\n".join(lines) + "\n"


def plot(rows: list[dict[str, object]], path: Path) -> None:
    """Accuracy over labels, with the spread over seeds."""
    found = cells(rows)
    figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
    ways = list(dict.fromkeys(way for way, _ in found))
    for number, way in enumerate(ways):
        places = [place for place, level in enumerate(LEVELS) if (way, level) in found]
        values = [found[way, LEVELS[place]] for place in places]
        spread = [statistics.stdev(v) if len(v) > 1 else 0.0 for v in values]
        means = [statistics.mean(v) for v in values]
        beside = [place + 0.05 * (number - (len(ways) - 1) / 2) for place in places]  # so that no spread hides another
        axes.errorbar(beside, means, spread, marker="o", markersize=4, capsize=3, label=TITLES[way])
    axes.set(xticks=range(len(LEVELS)), xticklabels=LEVELS, xlabel="labels of each class", ylabel="test accuracy, %")
    axes.grid(visible=True, alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=150)
    plt.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--ways", nargs="+", choices=list(WAYS), default=list(WAYS))
    parser.add_argument("overrides", nargs="*")
    arguments = parser.parse_intermixed_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, object]] = []
    for seed in arguments.seeds:
        for way in arguments.ways:
            for level in LEVELS:
                rows.append(measured(arguments.folder, way, level, seed, arguments.overrides))
                with (arguments.folder / "few_labels.csv").open("w", newline="") as file:
                    writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
                    writer.writeheader()
                    writer.writerows(rows)
                (arguments.folder / "few_labels.md").write_text(table(rows))
                plot(rows, arguments.folder / "few_labels.png")
    print(table(rows), end="")


if __name__ == "__main__":
    main()
