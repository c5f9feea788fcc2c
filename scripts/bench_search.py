"""Is search=asha worth it? 20 of its trials against 20 full random ones: what the best is worth, and seconds, repeated.

    python scripts/bench_search.py [REPEATS] [DATASET ...]

Both sides of a repeat begin with the same settings (search.seed), one trial at a time on a core. Prints, for each data
set, mean and standard deviation over the repeats of the loss of the best trial, its difference to random, and asha's
share of random's seconds: of the clock, and of the processor, which other work on the machine does not count into.
The loss is that on the test split, which no trial was chosen by, and beside it that on validation. The latter is the
least of 20 times 36 values: the more of them and the more they vary, the lower it is without being any better.
Data sets of three modalities that need no download, so small that a trial takes half a minute.
"""

import csv
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

TRIALS = 20
# Learning rate and penalty in the ranges of Hyperband's experiments (Li 2018, cuda-convnet). Nothing that changes the
# seconds of an epoch: they would tell of it, and not of the search.
WIDE = "tag(log,interval(5e-5,5))"
SPACE = (f"lr={WIDE}", f"optimizer.weight_decay={WIDE}", "optimizer=adamw,sgd")
# By the loss, since on so few examples the best trials of both sides often have the same accuracy.
QUICK = ("search.metric=val/loss", "search.mode=min", "trainer.max_epochs=36", "threads=1")
QUICK += ("test=false", "calibration=none", "ood=none", "explanation=none")
# Early epochs foretell late ones where the learning rate stays and the weights are averaged.
QUICK += ("scheduler=constant", "callbacks=ema")
RNN = ("model=keyword_rnn", "model.hidden_size=32", "model.num_layers=1", "model.factor=4")
DATA = {
    "digits": ("model=small_cnn",),
    "price_texts": ("dataset.train=4000", "model=cnn_text", "model.embedding_size=64", "model.filters=32"),
    "spoken_commands": ("dataset.train_size=300", "dataset.val_size=120", "batch_size=16", *RNN),
}
SIDES = {"random": (), "asha": ("search.n_startup_trials=5",)}


class Found(NamedTuple):
    """Losses of the best trial, and seconds of the whole search: of the clock, and of the processor."""

    test: float
    val: float
    clock: float
    processor: float


def searched(side: str, dataset: str, seed: int) -> Found:
    """One search, and the test of what it found, which is not in the seconds."""
    with tempfile.TemporaryDirectory() as root:
        search = (f"search={side}", f"trials={TRIALS}", f"search.seed={seed}", *SIDES[side])
        arguments = ["-m", *search, f"dataset={dataset}", *DATA[dataset], *SPACE, *QUICK, f"run_root={root}"]
        begun, before = time.perf_counter(), processor()
        done = sensorium("train", *arguments)
        assert done.returncode in (0, 1), "1 says that some trials diverged"
        clock, used = time.perf_counter() - begun, processor() - before
        (table,) = Path(root).glob("sweeps/*/sweep.csv")
        with table.open(newline="") as file:
            finished = [row for row in csv.DictReader(file) if row["state"] == "complete" and row["val/loss"]]
        best = min(finished, key=lambda row: float(row["val/loss"]))
        measured = sensorium("eval", f"ckpt={best['run']}", "format=json", "folder=null", "accelerator=cpu")
        return Found(json.loads(measured.stdout)["test/loss"], float(best["val/loss"]), clock, used)


def sensorium(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The command; errors of it are shown."""
    command = [sys.executable, "-m", "sensorium", *arguments]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)


def processor() -> float:
    """Seconds of the processes that this one has waited for, and of theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def spread(values: list[float]) -> str:
    """Mean and standard deviation."""
    deviation = f" ± {statistics.stdev(values):.4f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.4f}{deviation}"


def main(repeats: int, datasets: list[str]) -> None:
    """Runs and prints everything."""
    for dataset in datasets:
        print(f"{dataset}: {repeats} repeats of {TRIALS} trials; lower losses are better", flush=True)
        found: dict[str, list[Found]] = {side: [] for side in SIDES}
        for seed in range(repeats):
            for side in SIDES:
                one = searched(side, dataset, seed)
                print(f"  repeat {seed}, {side}: test {one.test:.4f}, val {one.val:.4f} in {one.clock:.0f} s,"
                      f" {one.processor:.0f} s of a core", flush=True)  # fmt: skip
                found[side].append(one)
        for split in ("test", "val"):
            random, asha = ([getattr(one, split) for one in found[side]] for side in ("random", "asha"))
            differences = [ours - theirs for ours, theirs in zip(asha, random, strict=True)]
            print(f"  {split}: random {spread(random)}, asha {spread(asha)}, difference {spread(differences)}")
        for name in ("clock", "processor"):
            pairs = zip(found["asha"], found["random"], strict=True)
            shares = [getattr(asha, name) / getattr(random, name) for asha, random in pairs]
            print(f"  asha's share of random's seconds by the {name}: {spread(shares)}", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5, sys.argv[2:] or list(DATA))
