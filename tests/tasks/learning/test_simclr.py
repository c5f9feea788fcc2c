"""Learning without labels: the loss of two views of the features, nearest neighbours, and what is trained."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from recipes import plain_recipe
from sensorium.batches import IGNORED, ImageBatch
from sensorium.errors import RequestError
from sensorium.losses.contrastive import nt_xent
from sensorium.randomness import ExampleRandom
from sensorium.tasks.learning.simclr import SimCLR
from sensorium.tasks.preprocessing import Preparation
from sensorium.vision.augment import Augment
from sensorium.vision.normalise import Normalise


class Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body, self.head = nn.Linear(4, 5), nn.Linear(5, 3)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.body(images.flatten(1)).relu())


class Shifted(nn.Module):
    def forward(self, images: Tensor, random: ExampleRandom) -> Tensor:
        return images + random.uniform()[:, :, None, None]


def preparation_of(*transforms: nn.Module) -> Preparation:
    return Preparation(prepare=Normalise(mean=(0.0,), std=(1.0,)), augment=Augment(transforms=transforms, mix=None))


def batch_of(labels: list[int], seed: int = 0) -> ImageBatch:
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (len(labels), 1, 2, 2), generator=generator, dtype=torch.uint8)
    return ImageBatch(images, torch.tensor(labels), torch.arange(len(labels)))


def task_of(model: nn.Module, *reference: ImageBatch) -> SimCLR:
    def batches() -> Iterator[ImageBatch]:
        yield from reference

    settings: dict[str, Any] = {"projection_size": 4, "temperature": 0.5, "num_classes": 3}
    task = SimCLR(
        model=model,
        recipe=plain_recipe(),
        preparation=preparation_of(),
        strong=preparation_of(Shifted()),
        example=(torch.zeros(1, 1, 2, 2),),
        reference=batches,
        **settings,
    )
    task._trainer = None
    return task.train()


def test_the_loss_is_of_two_views_of_what_enters_the_head() -> None:
    task, batch = task_of(Network()), batch_of([IGNORED] * 6)
    views = [batch.images / 255 + task.random(batch.indices, 3, view).uniform()[:, :, None, None] for view in (1, 2)]
    features = Network().body(torch.cat(views).flatten(1)).relu()
    first, second = task.projection(features).chunk(2)
    loss, sums = task.step(batch, 3, training=True)
    assert loss.item() == pytest.approx(nt_xent(first, second, temperature=0.5).item(), rel=1e-5)
    assert sums.tolist() == pytest.approx([6 * loss.item(), 6])
    assert not torch.equal(*views)


def test_all_but_the_head_is_trained() -> None:
    task, batch = task_of(Network()), batch_of([0] * 6)
    names = [group["name"] for group in task.groups()]
    assert names == ["backbone.decay", "backbone.no_decay", "projection.decay", "projection.no_decay"]
    trained = sum(p.numel() for group in task.groups() for p in group["params"])
    assert trained == 4 * 5 + 5 + sum(p.numel() for p in task.projection.parameters())
    task.step(batch, 0, training=True).loss.backward()
    assert task.model.body.weight.grad is not None  # type: ignore[union-attr]
    assert task.model.head.weight.grad is None  # type: ignore[union-attr]
    assert {name.split(".")[0] for name in task.state_dict()} == {"model", "projection"}


def test_nearest_neighbours_say_what_an_example_is() -> None:
    known = batch_of([0, 1, 2, 0, 1, 2])
    asked = ImageBatch(known.images.flip(0), torch.tensor([2, 1, 0, 2, 1, 1]), torch.arange(6))
    task = task_of(Network(), known).eval()
    task.on_validation_epoch_start()
    features = nn.functional.normalize(Network().body(known.images.flatten(1) / 255).relu(), dim=1)
    votes = torch.zeros(6, 3)
    for row in range(6):
        for other in range(6):  # all six are neighbours, each by its likeness
            votes[row, known.labels[other]] += (10 * features[5 - row] @ features[other]).exp()
    right = int((votes.argmax(1) == asked.labels).sum())
    loss, sums = task.step(asked, 0, training=False)
    assert sums.tolist() == pytest.approx([6 * loss.item(), right, 6])
    assert (task.summed("train"), task.summed("val")) == (("loss",), ("loss", "accuracy"))


@pytest.mark.parametrize("training", [True, False])
def test_in_half_the_digits_too(training: bool) -> None:
    task, batch = task_of(Network(), batch_of([0, 1, 2])), batch_of([0, 1, 2, 0])
    with torch.autocast("cpu", torch.bfloat16):
        task.on_validation_epoch_start()
        loss, sums = task.step(batch, 0, training=training)
    assert loss.dtype == torch.float32
    assert sums.isfinite().all()


def test_a_model_must_have_features_and_a_head() -> None:
    with pytest.raises(RequestError, match="Sequential has no part named 'head'"):
        task_of(nn.Sequential(nn.Flatten(), nn.Linear(4, 3)))
    model = Network()
    model.body = nn.Identity()  # type: ignore[assignment]
    with pytest.raises(RequestError, match="Network is only a head"):
        task_of(model)
