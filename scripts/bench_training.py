"""Fashion-MNIST with LeNet, batch 64: Sensorium against a plain PyTorch loop, and where a step's time goes.

The plain loop reads through torchvision's usual transforms and a DataLoader with its best number of workers; a second
one cuts batches straight from a tensor. Random images of the same size stand in where Fashion-MNIST is missing.
"""

import copy
import time
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from benchmarking import Contender, alternate, plain_epoch, show
from sensorium.build import make_loader
from sensorium.tasks.classification.evaluate import Classifier, evaluate

OVERRIDES = (
    "experiment=fashion_mnist_lenet",
    "trainer.max_epochs=1",
    "trainer.limit_val_batches=0",
    "accelerator=cpu",
    "trainer.precision=32-true",
)


class Pictures(Dataset[Any]):
    """As torchvision's own datasets: an array, a PIL image for each example, transforms."""

    def __init__(self, images: np.ndarray, labels: np.ndarray, transform: v2.Transform) -> None:
        self.images, self.labels, self.transform = images, labels, transform

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, row: int) -> tuple[torch.Tensor, int]:
        return self.transform(Image.fromarray(self.images[row, 0])), int(self.labels[row])


def best_workers(pictures: Pictures) -> int:
    """The number of DataLoader workers with which 200 batches come fastest."""
    seconds = {}
    for workers in (0, 1, 2):
        batches = iter(DataLoader(pictures, 64, shuffle=True, num_workers=workers))
        next(batches)
        started = time.perf_counter()
        for _ in range(200):
            next(batches)
        seconds[workers] = time.perf_counter() - started
    return min(seconds, key=seconds.__getitem__)


def main() -> None:
    contender = Contender(*OVERRIDES)
    data, model = contender.data, contender.model
    rows = np.arange(len(data.train))
    images, labels = data.train.images.read(rows), data.train.labels
    mean, std = torch.tensor(data.spec.mean).view(1, -1, 1, 1), torch.tensor(data.spec.std).view(1, -1, 1, 1)
    usual = v2.Compose(
        [v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.Normalize(data.spec.mean, data.spec.std)]
    )
    pictures = Pictures(images, labels, usual)
    workers = best_workers(pictures)
    print(f"DataLoader is fastest with {workers} workers")

    def plain(loader: Any, prepare: Any) -> float:
        net = copy.deepcopy(model)
        optimizer = torch.optim.SGD(net.parameters(), 0.05, momentum=0.9, nesterov=True, weight_decay=5e-4)
        return plain_epoch(net, optimizer, loader, prepare=prepare)

    def with_loader() -> float:
        return plain(DataLoader(pictures, 64, shuffle=True, num_workers=workers), lambda x, y: (x, y))

    def from_tensor() -> float:
        tensor, targets = torch.from_numpy(images), torch.from_numpy(labels)
        order = torch.randperm(len(labels)).split(64)
        batches = ((tensor[part], targets[part]) for part in order)
        return plain(batches, lambda x, y: ((x.float() / 255 - mean) / std, y))

    seconds = alternate(
        {
            "plain loop, DataLoader": with_loader,
            "plain loop, batches cut from a tensor": from_tensor,
            "Sensorium": contender.epoch,
        },
        rounds=5,
    )
    show("Fashion-MNIST, LeNet, batch 64, one epoch", seconds, baseline="plain loop, DataLoader")
    show_step(contender)
    show_evaluation(contender, usual)


def show_step(contender: Contender) -> None:
    """Milliseconds of each part of a training step, and what the framework adds to their sum."""
    config, data = contender.config, contender.data
    model = copy.deepcopy(contender.model).train()
    optimizer = torch.optim.SGD(model.parameters(), 0.05, momentum=0.9, nesterov=True)
    loader = make_loader(config, data.train, shuffle=True, device=torch.device("cpu"))
    parts = dict.fromkeys(("data", "forward", "backward", "optimizer"), 0.0)
    moment = started = time.perf_counter()

    def lap(name: str) -> None:
        nonlocal moment
        now = time.perf_counter()
        parts[name] += now - moment
        moment = now

    for batch in loader:
        images = batch.images.float().div_(255)
        lap("data")
        loss = torch.nn.functional.cross_entropy(model(images), batch.labels)
        lap("forward")
        optimizer.zero_grad()
        loss.backward()
        lap("backward")
        optimizer.step()
        lap("optimizer")
    bare = time.perf_counter() - started
    parts["framework"] = contender.epoch() - bare
    print("\na step in milliseconds:", "  ".join(f"{k} {1000 * v / len(loader):.2f}" for k, v in parts.items()))


def show_evaluation(contender: Contender, usual: v2.Transform) -> None:
    data, config = contender.data, contender.config
    rows = np.arange(len(data.test))
    pictures = Pictures(data.test.images.read(rows), data.test.labels, usual)
    net = copy.deepcopy(contender.model).eval()

    @torch.inference_mode()
    def plain() -> float:
        started, right = time.perf_counter(), 0
        for x, y in DataLoader(pictures, 256, num_workers=2):
            right += int((net(x).argmax(1) == y).sum())
        return time.perf_counter() - started

    def own() -> float:
        loader = make_loader(config, data.test, shuffle=False, device=torch.device("cpu"))
        classifier = Classifier(
            model=copy.deepcopy(net),
            spec=data.spec,
            device=torch.device("cpu"),
            precision="32-true",
            memory_format=config.memory_format,
        )
        return evaluate(classifier, loader).seconds

    seconds = alternate({"plain loop, DataLoader": plain, "Sensorium": own}, rounds=5)
    show("evaluation of 10,000 test images", seconds, baseline="plain loop, DataLoader")


if __name__ == "__main__":
    main()
