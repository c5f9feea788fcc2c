"""A training of a few milliseconds: what a run folder shows of one from outside, exact when it is gone on with.

Run as a program, with the standard library only: python fake_training.py RUN EPOCHS SECONDS.
"""

import csv
import json
import os
import signal
import sys
import time
from pathlib import Path


def write(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text)
    temporary.replace(path)


def accuracy(lr: float, epoch: int) -> float:
    """Rises with the epochs, to 1 - |lr - 0.5|."""
    return (1 - abs(lr - 0.5)) * epoch / (epoch + 1)


def main(run: Path, epochs: int, pause: float) -> int:
    parent = os.getppid()
    given = dict(line.split("=", 1) for line in (run / "overrides.txt").read_text().split())
    lr = float(given.get("lr", "0.9"))
    if given.get("fails") == "yes":
        print("a line before\nsensorium: the loss is not a number\nand its second line", flush=True)
        return 1
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    name, mode = ("val/loss", "min") if given.get("metric") == "loss" else ("val/accuracy", "max")
    write(run / "monitor.json", json.dumps({"monitor": name, "mode": mode}))
    checkpoint = run / "checkpoint"
    rows = json.loads(checkpoint.read_text()) if checkpoint.exists() else []
    with (run / "begun").open("a") as file:
        file.write(f"{len(rows)}\n")
    for epoch in range(len(rows) + 1, epochs + 1):
        time.sleep(pause)
        if os.getppid() != parent:
            return 143
        value = accuracy(lr, epoch) if mode == "max" else 1 - accuracy(lr, epoch)
        rows.append({"epoch": epoch, name: value, "lr": lr})
        table = run / f".table.{os.getpid()}"
        with table.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        table.replace(run / "metrics.csv")
        write(checkpoint, json.dumps(rows))
    best = (max if mode == "max" else min)(row[name] for row in rows)
    facts = {"monitor": name, "mode": mode, "best": best, "best_epoch": epochs, "epochs": epochs}
    write(run / "summary.json", json.dumps({**facts, "headline": "test/accuracy", "parameters": 7, "seconds": 0.1}))
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
