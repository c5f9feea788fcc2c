"""Is search=asha worth it? 20 of its trials against 20 full random ones: best validation value and seconds, repeated.

    python scripts/bench_search.py [REPEATS] [DATASET ...]

All sides of a repeat begin with the same settings (search.seed), one trial at a time. Prints, for each data set, mean
and standard deviation over the repeats of the value of the best trial, its difference to random, and the ratio of the
seconds. Data sets of three modalities that need no download, so small that a trial takes half a minute.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TRIALS = 20
LR = "lr=tag(log,interval(1e-5,1e-1))"
SPACE = (LR, "batch_size=range(16,129,16)", "optimizer=adamw,sgd")
# By the loss, since on so few examples the best trials of both sides often have the same accuracy.
QUICK = ("search.metric=val/loss", "search.mode=min", "trainer.max_epochs=16", "threads=1")
QUICK += ("test=false", "calibration=none", "ood=none", "explanation=none")
DATA = {
    "digits": ("model=small_cnn",),
    "contrast_reviews": ("dataset.train=1500", "model=cnn_text", "model.embedding_size=64", "model.filters=32"),
    "spoken_commands": ("dataset.train_size=200", "dataset.val_size=120", "model=keyword_cnn", "model.width=1"),
}
SIDES = {"random": (), "asha": (), "asha of random settings": ("search.sampler=random",)}


def searched(side: str, dataset: str, seed: int) -> tuple[float, float]:
    """The value of the best trial, and the seconds of the whole search."""
    with tempfile.TemporaryDirectory() as root:
        search = (f"search={side.split()[0]}", *SIDES[side], f"trials={TRIALS}", f"search.seed={seed}")
        arguments = ["-m", *search, f"dataset={dataset}", *DATA[dataset], *SPACE, *QUICK, f"run_root={root}"]
        begun = time.perf_counter()
        subprocess.run([sys.executable, "-m", "sensorium", "train", *arguments], check=True, stdout=subprocess.DEVNULL)
        seconds = time.perf_counter() - begun
        (summary,) = Path(root).glob("sweeps/*/summary.json")
        return json.loads(summary.read_text())["best"], seconds


def spread(values: list[float]) -> str:
    """Mean and standard deviation."""
    deviation = f" ± {statistics.stdev(values):.4f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.4f}{deviation}"


def main(repeats: int, datasets: list[str]) -> None:
    """Runs and prints everything."""
    for dataset in datasets:
        print(f"{dataset}: {repeats} repeats of {TRIALS} trials; loss on validation, lower is better")
        values: dict[str, list[float]] = {side: [] for side in SIDES}
        seconds: dict[str, list[float]] = {side: [] for side in SIDES}
        for seed in range(repeats):
            for side in SIDES:
                value, took = searched(side, dataset, seed)
                print(f"  repeat {seed}, {side}: {value:.4f} in {took:.0f} s", flush=True)
                values[side].append(value)
                seconds[side].append(took)
        for side in SIDES:
            differences = [ours - theirs for ours, theirs in zip(values[side], values["random"], strict=True)]
            ratios = [ours / theirs for ours, theirs in zip(seconds[side], seconds["random"], strict=True)]
            print(f"  {side}: {spread(values[side])}, minus random {spread(differences)}, of its time {spread(ratios)}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5, sys.argv[2:] or list(DATA))
