"""Is search=asha worth it? 20 of its trials against 20 full random ones: best validation value and seconds, repeated.

    python scripts/bench_search.py [REPEATS] [DATASET ...]

Both sides of a repeat try the same settings (search.seed), one trial at a time. Prints, for each data set, mean and
standard deviation over the repeats of the value of the best trial, its difference (asha minus random), and the ratio of
the seconds. Data sets of three modalities that need no download.
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
QUICK = ("test=false", "calibration=none", "ood=none", "explanation=none", "threads=1")
DATA = {
    "digits": ("model=small_cnn", LR, "batch_size=range(16,129,16)", "optimizer=adamw,sgd"),
    "contrast_reviews": ("model=cnn_text", LR, "batch_size=range(16,129,16)", "optimizer=adamw,sgd"),
    "spoken_commands": ("model=keyword_cnn", LR, "batch_size=range(16,129,16)", "optimizer=adamw,sgd"),
}


def searched(search: str, dataset: str, seed: int) -> tuple[float, float]:
    """The value of the best trial, and the seconds of the whole search."""
    with tempfile.TemporaryDirectory() as root:
        arguments = ["-m", f"search={search}", f"trials={TRIALS}", f"search.seed={seed}", f"dataset={dataset}"]
        command = [sys.executable, "-m", "sensorium", "train", *arguments, *DATA[dataset], *QUICK, f"run_root={root}"]
        begun = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
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
        found = [(searched("asha", dataset, seed), searched("random", dataset, seed)) for seed in range(repeats)]
        asha, plain = [one[0][0] for one in found], [one[1][0] for one in found]
        ratios = [ours[1] / theirs[1] for ours, theirs in found]
        print(f"{dataset}: {repeats} repeats of {TRIALS} trials")
        print(f"  best value: asha {spread(asha)}, random {spread(plain)}")
        print(f"  asha - random: {spread([a - b for a, b in zip(asha, plain, strict=True)])}")
        print(f"  seconds, asha / random: {spread(ratios)}", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5, sys.argv[2:] or list(DATA))
