"""make demo: trains on scanned digits, evaluates the checkpoint, predicts three image files."""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits


def sensorium(*arguments: str) -> None:
    """Runs one command as a person would type it, and shows it."""
    print(f"\n$ sensorium {' '.join(arguments)}", flush=True)
    subprocess.run([sys.executable, "-m", "sensorium", *arguments], check=True)


def write_images(folder: Path) -> None:
    """Three scanned digits as PNG files, ten times their size."""
    digits = load_digits()
    for row in (3, 17, 42):
        pixels = np.rint(digits.images[row] * (255 / 16)).astype(np.uint8)
        image = Image.fromarray(pixels).resize((80, 80), Image.Resampling.NEAREST)
        image.save(folder / f"digit_{digits.target[row]}.png")


def main() -> None:
    started = time.perf_counter()
    before = set(Path("runs/digits_small_cnn").glob("*"))
    sensorium("train", "experiment=digits_cnn")
    run = (set(Path("runs/digits_small_cnn").glob("*")) - before).pop()
    sensorium("eval", f"ckpt={run}/checkpoints/best.ckpt")
    with tempfile.TemporaryDirectory(prefix="sensorium-demo-") as folder:
        write_images(Path(folder))
        sensorium("predict", f"ckpt={run}/checkpoints/best.ckpt", f"input={folder}", "top_k=3")
    print(f"\n{time.perf_counter() - started:.0f} s. Everything is in {run}: look at {run}/plots")


if __name__ == "__main__":
    main()
