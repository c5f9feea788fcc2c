"""Is search=asha worth it? 20 of its trials against 20 full random ones: best validation value and seconds, repeated.

    python scripts/bench_search.py [REPEATS] [DATASET ...]

Both sides of a repeat begin with the same settings (search.seed), one trial at a time on a core. Prints, for each data
set, mean and standard deviation over the repeats of the value of the best trial, its difference to random, and asha's
share of random's seconds: of the clock, and of the processor, which other work on the machine does not count into.
Data sets of three modalities that need no download, so small that a trial takes half a minute.
"""

import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

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
# Ten of 20 trials at random would be half; a ninth of the epochs is enough where they foretell the others.
SIDES = {"random": (), "asha": ("search.n_startup_trials=5", "search.min_epochs=4")}


def searched(side: str, dataset: str, seed: int) -> tuple[float, float, float]:
    """The value of the best trial, and the seconds of the whole search: of the clock, and of the processor."""
    with tempfile.TemporaryDirectory() as root:
        search = (f"search={side}", f"trials={TRIALS}", f"search.seed={seed}", *SIDES[side])
        arguments = ["-m", *search, f"dataset={dataset}", *DATA[dataset], *SPACE, *QUICK, f"run_root={root}"]
        begun, before = time.perf_counter(), processor()
        done = subprocess.run(
            [sys.executable, "-m", "sensorium", "train", *arguments], stdout=subprocess.DEVNULL, check=False
        )
        assert done.returncode in (0, 1), "1 says that some trials diverged"
        seconds = time.perf_counter() - begun
        (summary,) = Path(root).glob("sweeps/*/summary.json")
        return json.loads(summary.read_text())["best"], seconds, processor() - before


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
        print(f"{dataset}: {repeats} repeats of {TRIALS} trials; loss on validation, lower is better", flush=True)
        values, clock, core = ({side: [] for side in SIDES} for _ in range(3))
        for seed in range(repeats):
            for side in SIDES:
                value, seconds, used = searched(side, dataset, seed)
                print(f"  repeat {seed}, {side}: {value:.4f} in {seconds:.0f} s, {used:.0f} s of a core", flush=True)
                values[side].append(value)
                clock[side].append(seconds)
                core[side].append(used)
        differences = [asha - random for asha, random in zip(values["asha"], values["random"], strict=True)]
        print(f"  random {spread(values['random'])}, asha {spread(values['asha'])}, difference {spread(differences)}")
        for name, taken in (("clock", clock), ("processor", core)):
            shares = [asha / random for asha, random in zip(taken["asha"], taken["random"], strict=True)]
            print(f"  asha's share of random's seconds by the {name}: {spread(shares)}", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5, sys.argv[2:] or list(DATA))
