"""The step of classification and what every task shares, against the same sums by hand."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recipes import FIELDS, plain_recipe
from sensorium.batches import ImageBatch
from sensorium.errors import RequestError
from sensorium.optim.schedules import constant, plateau
from sensorium.randomness import ExampleRandom
from sensorium.tasks.classification.module import ClassificationModule
from sensorium.tasks.preprocessing import Preparation
from sensorium.vision.augment import Augment
from sensorium.vision.mix import MixUp
from sensorium.vision.normalise import Normalise

NOTHING = Augment(transforms={}, mix=None)


class Network(nn.Module):
    """One layer, with dropout where asked for."""

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(4, 3)
        self.seen: Tensor | None = None

    def forward(self, images: Tensor) -> Tensor:
        self.seen = images
        return self.head(self.dropout(images.flatten(1)))


def task_of(**changes: Any) -> ClassificationModule:
    settings: dict[str, Any] = {
        "model": Network(),
        "num_classes": 3,
        "label_smoothing": 0.0,
    }
    recipe = plain_recipe(**{key: changes.pop(key) for key in FIELDS & changes.keys()})
    prepare, augment = Normalise(mean=(0.5,), std=(0.25,)), changes.pop("augment", NOTHING)
    preparation = Preparation(prepare=prepare, augment=augment)
    task = ClassificationModule(recipe=recipe, preparation=preparation, **settings | changes)
    task._trainer = None
    return task


def batch_of(count: int = 6) -> ImageBatch:
    generator = torch.Generator().manual_seed(1)
    images = torch.randint(0, 256, (count, 1, 2, 2), generator=generator, dtype=torch.uint8)
    return ImageBatch(images, torch.arange(count) % 3, torch.arange(count) + 100)


def test_pictures_are_normalised_before_the_model_sees_them() -> None:
    task = task_of()
    task(torch.tensor([[[[0, 255], [51, 102]]]], dtype=torch.uint8))
    assert torch.allclose(task.model.seen, torch.tensor([[[[-2.0, 2.0], [-1.2, -0.4]]]]), atol=1e-6)


@pytest.mark.parametrize("training", [True, False])
def test_loss_and_sums_by_hand(training: bool) -> None:
    task, batch = task_of(), batch_of()
    logits = task(batch.images)
    losses = -logits.log_softmax(1)[torch.arange(6), batch.labels]
    loss, sums = task.step(batch, 0, training=training)
    assert loss.item() == pytest.approx(losses.mean().item(), rel=1e-6)
    correct = int((logits.argmax(1) == batch.labels).sum())
    assert sums.tolist() == pytest.approx([losses.sum().item(), correct, 6], rel=1e-6)
    assert loss.requires_grad
    assert not sums.requires_grad


def test_smoothing_is_for_training_only() -> None:
    """Of the target 0.3 is spread over three classes: 0.8 for the right one and 0.1 for each other."""
    task, batch = task_of(label_smoothing=0.3), batch_of()
    logs = task(batch.images).log_softmax(1)
    targets = torch.full((6, 3), 0.1)
    targets[torch.arange(6), batch.labels] = 0.8
    assert task.step(batch, 0, training=True).loss.item() == pytest.approx(
        (-(targets * logs).sum(1).mean()).item(), rel=1e-6
    )
    expected = F.cross_entropy(task(batch.images), batch.labels)
    assert task.step(batch, 0, training=False).loss.item() == pytest.approx(expected.item(), rel=1e-6)


@pytest.mark.parametrize("training", [True, False])
def test_the_perceptron_s_criterion_counts_units_that_are_wrong(training: bool) -> None:
    task, batch = task_of(criterion="perceptron"), batch_of()
    logits = task(batch.images)
    targets = torch.eye(3)[batch.labels]
    wrong = (logits > 0).float() != targets
    expected = (logits.abs() * wrong).sum(1).mean()
    assert 0 < wrong.sum() < 18
    assert task.step(batch, 0, training=training).loss.item() == pytest.approx(expected.item(), rel=1e-6)


def test_a_criterion_refuses_what_it_does_not_know() -> None:
    with pytest.raises(RequestError, match=r"'perceptrn'. Did you mean perceptron"):
        task_of(criterion="perceptrn")
    for changes in ({"label_smoothing": 0.1}, {"class_weights": torch.ones(3)}):
        with pytest.raises(RequestError, match="takes neither label_smoothing nor class_weights"):
            task_of(criterion="perceptron", **changes)


def test_what_cannot_learn_has_a_loss_all_the_same() -> None:
    task = task_of(model=nn.Sequential(nn.Flatten(), nn.AvgPool1d(2)), num_classes=2)
    images, labels, indices = batch_of()
    batch = ImageBatch(images, labels % 2, indices)
    loss = task.step(batch, 0, training=True).loss
    loss.backward()  # changes nothing, and does not complain
    assert loss.item() == pytest.approx(task.step(batch, 0, training=False).loss.item(), rel=1e-6)


def test_augmentation_is_for_training_only_and_by_example() -> None:
    mixed = task_of(augment=Augment(transforms={}, mix=MixUp(alpha=1.0)))
    plain, batch = task_of(), batch_of()
    assert mixed.step(batch, 0, training=False).loss.item() == plain.step(batch, 0, training=False).loss.item()
    found = mixed.step(batch, 3, training=True).loss
    random = ExampleRandom(seed=0, epoch=0, indices=batch.indices, batch=3)
    images, targets = mixed.preparation.augment(batch.images, F.one_hot(batch.labels, 3).float(), random)
    expected = -(targets * mixed(images).log_softmax(1)).sum(1).mean()
    assert found.item() == pytest.approx(expected.item(), rel=1e-6)
    assert found.item() != plain.step(batch, 3, training=True).loss.item()


def training_step(task: ClassificationModule, batch_idx: int, *, epoch: int = 0, rank: int = 0) -> Tensor:
    task._sums.clear()
    task._trainer = SimpleNamespace(current_epoch=epoch, global_rank=rank, strategy=None)
    return task.training_step(batch_of(), batch_idx)


def test_dropout_belongs_to_seed_epoch_batch_and_process() -> None:
    def loss(seed: int = 0, batch_idx: int = 1, **place: int) -> float:
        torch.manual_seed(int(torch.randint(1000, ())))  # whatever was drawn before
        return training_step(task_of(model=Network(0.5), seed=seed), batch_idx, **place).item()

    assert loss() == loss()
    others = [loss(seed=1), loss(batch_idx=2), loss(epoch=1), loss(rank=1)]
    assert len({loss(), *others}) == 5


def test_sums_are_kept_in_double_precision() -> None:
    task = task_of()
    training_step(task, 0)
    assert task._sums["train"].dtype == torch.float64
    task._add("val", torch.tensor([2.0**24, 0.0, 1.0]))
    task._add("val", torch.tensor([1.0, 1.0, 1.0]))
    assert task._sums["val"].tolist() == [2**24 + 1, 1, 2]  # float32 would have lost the one


def test_half_an_epoch_s_sums_go_along_with_a_checkpoint() -> None:
    task = task_of()
    strategy = SimpleNamespace(all_gather=lambda sums: torch.stack([sums, sums * 2]))
    task._trainer = SimpleNamespace(current_epoch=0, global_rank=0, world_size=2, strategy=strategy)
    task._add("train", torch.tensor([1.5, 2.0, 4.0]))
    checkpoint: dict[str, Any] = {}
    task.on_save_checkpoint(checkpoint)
    assert checkpoint["train_sums"].tolist() == [[1.5, 2, 4], [3, 4, 8]]
    for rank, expected in ((0, [1.5, 2, 4]), (1, [3, 4, 8])):
        other = task_of()
        other._trainer = SimpleNamespace(global_rank=rank, world_size=2)
        other.on_load_checkpoint(checkpoint)
        assert other._sums["train"].tolist() == expected
    for rank, expected in ((0, [4.5, 6, 12]), (1, None), (2, None)):  # another number of processes: the first has all
        fresh = task_of()
        fresh._trainer = SimpleNamespace(global_rank=rank, world_size=3)
        fresh.on_load_checkpoint(checkpoint)
        assert fresh._sums["train"].tolist() == expected if expected else fresh._sums == {}


def test_optimiser_and_scheduler_get_what_they_need() -> None:
    given: dict[str, Any] = {}

    def scheduler(optimizer: torch.optim.Optimizer, **steps: Any) -> Any:
        given.update(steps)
        return constant(optimizer, warmup_epochs=0.0, **steps)

    task = task_of(scheduler=scheduler)
    task.length = (120, 40)
    configured = task.configure_optimizers()
    assert given == {"total_steps": 120, "steps_per_epoch": 40}
    assert configured["lr_scheduler"]["interval"] == "step"
    assert [group["weight_decay"] for group in configured["optimizer"].param_groups] == [0.01, 0.0]


def test_the_plateau_scheduler_watches_the_validation_loss() -> None:
    found = task_of(
        scheduler=lambda optimizer, **steps: plateau(optimizer, factor=0.3, patience=3, min_lr=0.0, **steps)
    ).configure_optimizers()["lr_scheduler"]
    assert (found["interval"], found["monitor"]) == ("epoch", "val/loss")


def test_a_value_that_the_optimiser_refuses_is_a_wrong_request() -> None:
    task = task_of(optimizer=lambda groups: torch.optim.SGD(groups, momentum=-1))
    with pytest.raises(RequestError, match=r"^optimizer: Invalid momentum value: -1"):
        task.configure_optimizers()


def test_it_learns_32_pictures_by_heart() -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (32, 1, 4, 4), generator=generator, dtype=torch.uint8)
    labels = torch.randint(0, 3, (32,), generator=generator)
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 3))
    task = task_of(model=model)
    optimizer = torch.optim.Adam(task.parameters(), lr=0.02)
    batch = ImageBatch(images, labels, torch.arange(32))
    for step in range(150):
        optimizer.zero_grad()
        task.step(batch, step, training=True).loss.backward()
        optimizer.step()
    loss, sums = task.step(batch, 0, training=False)
    assert sums.tolist()[1:] == [32, 32]
    assert loss.item() < 0.01
