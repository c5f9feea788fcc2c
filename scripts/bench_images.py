"""10,000 JPEG files of 32x32 with resnet8: Sensorium against torchvision's ImageFolder and a DataLoader.

Usage: python scripts/bench_images.py [FOLDER]; FOLDER holds train/CLASS/*.jpg (CIFAR-10, say). Without it, JPEG files
of coloured noise are written to a temporary folder.
"""

import copy
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Subset
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

from benchmarking import Contender, alternate, plain_epoch, show
from sensorium.build import make_loader
from sensorium.tasks.classification.evaluate import Classifier, evaluate

CLASSES, PER_CLASS = 10, 1000


def write_noise(root: Path) -> None:
    numbers = np.random.default_rng(0)
    for name in range(CLASSES):
        folder = root / "train" / f"class_{name}"
        folder.mkdir(parents=True)
        for number in range(PER_CLASS):
            small = numbers.integers(0, 256, (8, 8, 3), dtype=np.uint8)
            Image.fromarray(small).resize((32, 32)).save(folder / f"{number:04d}.jpg", quality=90)


def link_part(source: Path, root: Path) -> None:
    """The first files of each class of a larger folder."""
    for folder in sorted(path for path in (source / "train").iterdir() if path.is_dir()):
        target = root / "train" / folder.name
        target.mkdir(parents=True)
        for path in sorted(folder.iterdir())[:PER_CLASS]:
            (target / path.name).hardlink_to(path) if path.stat().st_dev == target.stat().st_dev else (
                target / path.name
            ).write_bytes(path.read_bytes())


def overrides(root: Path) -> tuple[str, ...]:
    return (
        "dataset=image_folder",
        f"dataset.root={root}",
        "dataset.val_fraction=0.01",
        "dataset.test_fraction=0.01",
        "model=resnet8",
        "augment=flip_crop",
        "augment.transforms.crop.padding=4",
        "optimizer=sgd",
        "batch_size=128",
        "trainer.max_epochs=1",
        "trainer.limit_val_batches=0",
        "accelerator=cpu",
        "on_bad=skip",
    )


def bench(root: Path) -> None:
    chosen = Contender(*overrides(root))
    same = Contender(*overrides(root), "trainer.precision=32-true", "memory_format=contiguous", data=chosen.data)
    spec = chosen.data.spec
    transform = v2.Compose(
        [
            v2.ToImage(),
            v2.RandomCrop(32, padding=4),
            v2.RandomHorizontalFlip(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(spec.mean, spec.std),
        ]
    )
    files = ImageFolder(str(root / "train"), transform)
    part = Subset(files, range(0, len(files), max(1, len(files) // len(chosen.data.train)))[: len(chosen.data.train)])

    def plain() -> float:
        net = copy.deepcopy(same.model)
        optimizer = torch.optim.SGD(net.parameters(), 0.05, momentum=0.9, nesterov=True, weight_decay=5e-4)
        loader = DataLoader(part, 128, shuffle=True, num_workers=2)
        return plain_epoch(net, optimizer, loader, prepare=lambda x, y: (x, y))

    print(f"chosen: {chosen.config.trainer['precision']}, {chosen.config.memory_format}")
    seconds = alternate(
        {
            "plain loop, DataLoader": plain,
            "Sensorium, same arithmetic": same.epoch,
            "Sensorium, its choice": chosen.epoch,
        },
        rounds=3,
    )
    show(f"{len(part):,} JPEG files, resnet8, batch 128, one epoch", seconds, baseline="plain loop, DataLoader")

    @torch.inference_mode()
    def plain_evaluation() -> float:
        net, started, right = copy.deepcopy(same.model).eval(), time.perf_counter(), 0
        for x, y in DataLoader(part, 256, num_workers=2):
            right += int((net(x).argmax(1) == y).sum())
        return time.perf_counter() - started

    def own_evaluation(contender: Contender) -> Any:
        def run() -> float:
            config, device = contender.config, torch.device("cpu")
            classifier = Classifier(
                model=copy.deepcopy(contender.model),
                spec=spec,
                device=device,
                precision=config.trainer["precision"],
                memory_format=config.memory_format,
            )
            return evaluate(classifier, make_loader(config, contender.data.train, shuffle=False, device=device)).seconds

        return run

    seconds = alternate(
        {
            "plain loop, DataLoader": plain_evaluation,
            "Sensorium, same arithmetic": own_evaluation(same),
            "Sensorium, its choice": own_evaluation(chosen),
        },
        rounds=3,
    )
    show("evaluation of the same files", seconds, baseline="plain loop, DataLoader")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        link_part(Path(sys.argv[1]), root) if len(sys.argv) > 1 else write_noise(root)
        bench(root)


if __name__ == "__main__":
    main()
