"""Peak memory of a training on an image folder ten and forty times larger than dataset.cache_bytes.

Flat means: four times the images need no more memory. One as large as the cache, of which nothing is decoded while
training, is there for comparison.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

SIDE, CLASSES = 64, 2
CACHE = 6_000_000  # bytes


def write(root: Path, count: int) -> None:
    numbers = np.random.default_rng(0)
    for number in range(count):
        folder = root / f"class_{number % CLASSES}"
        folder.mkdir(parents=True, exist_ok=True)
        pixels = numbers.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:06d}.jpg")


def peak_megabytes(root: Path) -> float:
    """Largest resident size of one training of one epoch."""
    code = (
        "import resource, sys; from sensorium.cli.main import main; status = main(sys.argv[1:]);"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024); sys.exit(status)"
    )
    arguments = [
        "train",
        "dataset=image_folder",
        f"dataset.root={root}",
        f"dataset.cache_bytes={CACHE}",
        "model=resnet8",
        "trainer.max_epochs=1",
        "test=false",
        f"run_root={root.parent}/runs",
    ]
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    return float(done.stdout.splitlines()[-1])


def main() -> None:
    bytes_each = 3 * SIDE * SIDE
    with tempfile.TemporaryDirectory() as folder:
        peaks = {}
        for times in (1, 10, 40):
            root = Path(folder) / f"times_{times}"
            write(root, times * CACHE // bytes_each)
            peaks[times] = peak_megabytes(root)
            print(f"{times * CACHE / 1e6:.0f} MB of images, {CACHE / 1e6:.0f} MB of cache: peak {peaks[times]:.0f} MB")
    print(f"40 times against 10 times: ratio {peaks[40] / peaks[10]:.2f}")


if __name__ == "__main__":
    main()
