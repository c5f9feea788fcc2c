"""make results: trains every experiment of the README's table with its seeds and prints the table's rows.

Usage: python scripts/results.py [EXPERIMENT ...] [key=value ...]; overrides go to every training.
"""

import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

SEEDS = {"digits_cnn": (0, 1, 2), "fashion_mnist_cnn": (0, 1, 2), "cifar10_airbench": (0, 1, 2)}


def train(experiment: str, seed: int, overrides: list[str]) -> tuple[float, float]:
    """Test accuracy, and the seconds of the whole command."""
    root = Path("runs/results") / f"{experiment}_{seed}"
    before = set(root.glob("*/*"))
    command = [sys.executable, "-m", "sensorium", "train", f"experiment={experiment}", f"seed={seed}"]
    started = time.perf_counter()
    subprocess.run([*command, f"run_root={root}", *overrides], check=True)
    seconds = time.perf_counter() - started
    run = (set(root.glob("*/*")) - before).pop()
    return json.loads((run / "metrics.json").read_text())["test/accuracy"], seconds


def main() -> None:
    overrides = [argument for argument in sys.argv[1:] if "=" in argument]
    chosen = [argument for argument in sys.argv[1:] if "=" not in argument] or list(SEEDS)
    rows = []
    for experiment in chosen:
        results = [train(experiment, seed, overrides) for seed in SEEDS[experiment]]
        accuracies, seconds = [100 * accuracy for accuracy, _ in results], [taken for _, taken in results]
        rows.append(
            f"| `{experiment}` | {statistics.mean(accuracies):.2f} ± {statistics.stdev(accuracies):.2f} % "
            f"({len(results)} seeds) | {statistics.median(seconds):.0f} s |"
        )
    print("\n".join(["", "| experiment | test accuracy | seconds |", "|---|---|---|", *rows]))


if __name__ == "__main__":
    main()
