"""From pressing return to the first optimisation step of `sensorium train`, against importing Lightning alone."""

import statistics
import subprocess
import sys
import tempfile
import time

ROUNDS = 5
TO_FIRST_STEP = (
    "trainer.max_steps=1",
    "trainer.limit_val_batches=0",
    "test=false",
    "scheduler=constant",
    "scheduler.warmup_epochs=0",
)


def seconds(command: list[str], folder: str) -> float:
    started = time.perf_counter()
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - started


def slowest_imports(folder: str) -> list[tuple[float, str]]:
    """The packages whose own modules take longest to import, in milliseconds."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "sensorium", "train", *TO_FIRST_STEP],
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
    )
    total: dict[str, float] = {}
    for line in done.stderr.splitlines():
        own, _, name = line.removeprefix("import time:").rpartition("|")
        if own.partition("|")[0].strip().isdigit():
            package = ".".join(name.strip().split(".")[:2])
            total[package] = total.get(package, 0.0) + int(own.partition("|")[0]) / 1000
    return sorted(((value, name) for name, value in total.items()), reverse=True)[:12]


def main() -> None:
    commands = {
        "import torch": [sys.executable, "-c", "import torch"],
        "import lightning.pytorch": [sys.executable, "-c", "import lightning.pytorch"],
        "sensorium train, to the end of its first step": [sys.executable, "-m", "sensorium", "train", *TO_FIRST_STEP],
        "sensorium --help": [sys.executable, "-m", "sensorium", "--help"],
        "sensorium train --help": [sys.executable, "-m", "sensorium", "train", "--help"],
    }
    with tempfile.TemporaryDirectory() as folder:
        for command in commands.values():
            seconds(command, folder)
        taken: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(ROUNDS):
            for name, command in commands.items():
                taken[name].append(seconds(command, folder))
        for name, values in taken.items():
            print(f"{name:<48} {statistics.median(values):6.2f} s  ({min(values):.2f} to {max(values):.2f})")
        print("\nimports by package, milliseconds of their own code:")
        for value, name in slowest_imports(folder):
            print(f"  {value:7.0f}  {name}")


if __name__ == "__main__":
    main()
