"""Small data sets of images, texts and audio, each trained with several batch sizes and numbers of epochs.

The rule behind batch_size=auto and trainer.max_epochs=auto (docs/decisions) was chosen on this table: mean rank of
"auto" against the defaults of earlier versions (batch 64, 10 epochs) and against fixed settings. Ten data sets are
generated, none of them an experiment's; four more are drawn from real ones where --data has them.

    python scripts/bench_small_data.py --out small_data [--data FOLDER] [--settings auto,64x10] [--only chirps,mr]

Results go to OUT/results.jsonl, a line each; what is there already is not trained again.
"""

import argparse
import contextlib
import io
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import small_data
from sensorium import output, runs
from sensorium.cli.train import train_once

EARLIER = "64x10"
SETTINGS = (EARLIER, "auto", "16x30", "16x60", "8x30", "4x30")
ALL = ["threads=1", "accelerator=cpu", "trainer.precision=32-true"]


@dataclass(frozen=True)
class SmallData:
    """One data set. make: writes it into a folder and gives its overrides. real: what of --data it needs."""

    modality: str
    make: Callable[..., list[str]]
    metric: str = "test/accuracy"
    higher_is_better: bool = True
    real: str | None = None


DATA = {
    "shapes": SmallData("images", small_data.shapes),
    "stripes": SmallData("images", small_data.stripes),
    "cells": SmallData("images", small_data.cells),
    "crosses": SmallData("images", small_data.crosses),
    "fill": SmallData("images", small_data.fill, "test/mae", higher_is_better=False),
    "reviews": SmallData("texts", small_data.reviews),
    "topics": SmallData("texts", small_data.topics),
    "requests": SmallData("texts", small_data.requests),
    "chirps": SmallData("audio", small_data.chirps),
    "vowels": SmallData("audio", small_data.vowels),
    "cifar10": SmallData("images", small_data.of_cifar10, real="cifar10/cifar10-imagefolder.tgz"),
    "mr": SmallData("texts", small_data.of_mr, real="mr"),
    "fsdd": SmallData("audio", small_data.of_fsdd, real="fsdd/recordings"),
    "yes_no": SmallData("audio", small_data.two_words, "test/wer", higher_is_better=False, real="fsdd/recordings"),
}


def overrides_of(setting: str) -> list[str]:
    """Of "auto", or of such as "8x60": batch size and epochs."""
    batch, epochs = ("auto", "auto") if setting == "auto" else setting.split("x")
    return [f"batch_size={batch}", f"trainer.max_epochs={epochs}"]


def measured(name: str, setting: str, *, out: Path, data: Path | None) -> dict[str, object]:
    """One training: its test metric and seconds."""
    chosen = DATA[name]
    folder = out / "data" / name
    real = [] if chosen.real is None or data is None else [data / chosen.real]
    overrides = chosen.make(folder, *real)
    started = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()):
        run = train_once([*overrides, *overrides_of(setting), *ALL, f"run_root={out / 'runs'}"])
    seconds = round(time.perf_counter() - started, 1)
    value = runs.read_metrics(run)[chosen.metric]
    config = run.read_config()
    numbers = {"batch": config["batch_size"], "epochs": config["trainer"]["max_epochs"]}
    return {"data": name, "setting": setting, "metric": chosen.metric, "value": value, "seconds": seconds} | numbers


def ranks(results: dict[tuple[str, str], float]) -> dict[str, float]:
    """Mean rank of each setting over the data sets on which all were trained; equal results share the mean rank."""
    settings = list(dict.fromkeys(setting for _, setting in results))
    names = [name for name in DATA if all((name, setting) in results for setting in settings)]
    sums = dict.fromkeys(settings, 0.0)
    for name in names:
        sign = -1 if DATA[name].higher_is_better else 1
        values = np.array([sign * results[name, setting] for setting in settings])
        for setting, value in zip(settings, values, strict=True):
            sums[setting] += (values < value).sum() + ((values == value).sum() + 1) / 2
    return {setting: total / max(1, len(names)) for setting, total in sums.items()}


def show(path: Path) -> None:
    """The table, and the mean ranks below it."""
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    results = {(row["data"], row["setting"]): row["value"] for row in rows}
    settings = list(dict.fromkeys(row["setting"] for row in rows))
    records = []
    for name in [name for name in DATA if any((name, setting) in results for setting in settings)]:
        values = {setting: results[name, setting] for setting in settings if (name, setting) in results}
        records.append({"data": name, "metric": DATA[name].metric} | values)
    records.append({"data": "mean rank", "metric": ""} | ranks(results))
    output.console().print(output.table(records))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--data", type=Path, help="folder with cifar10, fsdd and mr; without it generated data alone")
    parser.add_argument("--settings", default=",".join(SETTINGS))
    parser.add_argument("--only", default="", help="names of data sets")
    chosen = parser.parse_args()
    results = chosen.out / "results.jsonl"
    results.parent.mkdir(parents=True, exist_ok=True)
    lines = results.read_text().splitlines() if results.exists() else []
    done = {(row["data"], row["setting"]) for row in map(json.loads, lines)}
    for name in chosen.only.split(",") if chosen.only else DATA:
        if DATA[name].real and chosen.data is None:
            continue
        for setting in chosen.settings.split(","):
            if (name, setting) not in done:
                row = measured(name, setting, out=chosen.out, data=chosen.data)
                print(row, flush=True)
                with results.open("a") as file:
                    file.write(json.dumps(row) + "\n")
    show(results)


if __name__ == "__main__":
    main()
