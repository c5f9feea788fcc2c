"""make results: trains every experiment of the README's table with its seeds and prints the table's rows.

Usage: python scripts/results.py [EXPERIMENT ...] [key=value ...]; overrides go to every training.
"""

import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

# What is measured of each, with which seeds.
EXPERIMENTS = {
    "digits_cnn": ("test/accuracy", (0, 1, 2)),
    "fashion_mnist_cnn": ("test/accuracy", (0, 1, 2)),
    "cifar10_airbench": ("test/accuracy", (0,)),
    "contrast_reviews_lstm": ("test/accuracy", (0, 1, 2)),
    "number_words_rnn": ("test/exact", (0, 1, 2)),
    "digit_tags_cnn": ("test/map", (0,)),
    "digit_pose_cnn": ("test/r2", (0,)),
    "price_texts_lstm": ("test/r2", (0,)),
}
SHARES = ("test/accuracy", "test/exact")  # shown in percent


def train(experiment: str, seed: int, overrides: list[str]) -> tuple[float, float]:
    """What is measured, and the seconds of the whole command."""
    root = Path("runs/results") / f"{experiment}_{seed}"
    before = set(root.glob("*/*"))
    command = [sys.executable, "-m", "sensorium", "train", f"experiment={experiment}", f"seed={seed}"]
    started = time.perf_counter()
    subprocess.run([*command, f"run_root={root}", *overrides], check=True)
    seconds = time.perf_counter() - started
    run = (set(root.glob("*/*")) - before).pop()
    return json.loads((run / "metrics.json").read_text())[EXPERIMENTS[experiment][0]], seconds


def shown(found: list[float], *, percent: bool) -> str:
    """The mean, and the spread of several."""
    scale, form = (100, "{:.2f}") if percent else (1, "{:.4f}")
    mean = form.format(scale * statistics.mean(found))
    spread = f" ± {form.format(scale * statistics.stdev(found))}" if len(found) > 1 else ""
    return mean + spread + ("%" if percent else "")


def main() -> None:
    overrides = [argument for argument in sys.argv[1:] if "=" in argument]
    chosen = [argument for argument in sys.argv[1:] if "=" not in argument] or list(EXPERIMENTS)
    rows = []
    for experiment in chosen:
        metric, seeds = EXPERIMENTS[experiment]
        results = [train(experiment, seed, overrides) for seed in seeds]
        found, seconds = [value for value, _ in results], [taken for _, taken in results]
        rows.append(
            f"| `{experiment}` | {metric} {shown(found, percent=metric in SHARES)} ({len(found)} seeds) "
            f"| {statistics.median(seconds):.0f} s |"
        )
    print("\n".join(["", "| experiment | result | seconds |", "|---|---|---|", *rows]))


if __name__ == "__main__":
    main()
