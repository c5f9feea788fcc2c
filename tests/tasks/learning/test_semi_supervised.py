"""Steps with labelled and unlabelled examples, against the same sums by hand."""

import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recipes import plain_recipe
from sensorium.batches import IGNORED, ImageBatch
from sensorium.errors import RequestError
from sensorium.optim.average import WeightAverage
from sensorium.randomness import ExampleRandom
from sensorium.tasks.learning.semi_supervised import (
    FixMatch,
    MeanTeacher,
    Method,
    PseudoLabel,
    SemiSupervised,
    _together,
)
from sensorium.tasks.preprocessing import Preparation
from sensorium.vision.augment import Augment
from sensorium.vision.normalise import Normalise


class Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.norm = nn.BatchNorm1d(4)
        self.head = nn.Linear(4, 3)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.norm(images.flatten(1)) * 3)


class Darker(nn.Module):
    """A strong view that is easy to make again."""

    def forward(self, images: Tensor, random: ExampleRandom) -> Tensor:
        return images / 2


class Shifted(nn.Module):
    """A weak view, by the example's own numbers, which are kept."""

    def __init__(self) -> None:
        super().__init__()
        self.drawn: list[Tensor] = []

    def forward(self, images: Tensor, random: ExampleRandom) -> Tensor:
        self.drawn.append(random.uniform())
        return images + self.drawn[-1][:, :, None, None] / 10


COMMON: dict[str, Any] = {"unlabelled_ratio": 2, "weight": 0.5, "ramp": 0.0}
OWN: dict[type[Method], dict[str, Any]] = {
    PseudoLabel: {"start": 0.0, "threshold": 0.6},
    FixMatch: {"num_classes": 3, "threshold": 0.6, "align": False},
    MeanTeacher: {},
}


def preparation_of(*transforms: nn.Module) -> Preparation:
    return Preparation(prepare=Normalise(mean=(0.5,), std=(0.25,)), augment=Augment(transforms=transforms, mix=None))


def task_of(kind: type[Method], *, weak: tuple[nn.Module, ...] = (), **changes: Any) -> Any:
    strong = {"strong": preparation_of(Darker())} if kind is FixMatch else {}
    task: Any = SemiSupervised(
        model=Network(),
        num_classes=3,
        preparation=preparation_of(*weak),
        recipe=plain_recipe(),
        label_smoothing=0.0,
        method=kind(**COMMON | OWN[kind] | strong | changes),
    )
    task._trainer = None
    return task


def batch_of(labelled: int = 2) -> ImageBatch:
    generator = torch.Generator().manual_seed(1)
    images = torch.randint(0, 256, (3 * labelled, 1, 2, 2), generator=generator, dtype=torch.uint8)
    labels = torch.tensor([0, 1] + [IGNORED] * (3 * labelled - 2))
    return ImageBatch(images, labels, torch.arange(3 * labelled) + 100)


def prepared(images: Tensor, factor: float = 1.0) -> Tensor:
    return (images.float() / 255 * factor - 0.5) / 0.25


def test_fixmatch_by_hand() -> None:
    task, batch = task_of(FixMatch), batch_of()
    model = Network()
    found = model(torch.cat([prepared(batch.images[:2]), prepared(batch.images[2:], 0.5)]))
    likely = model(prepared(batch.images[2:])).softmax(1)
    supervised = -found[:2].log_softmax(1)[[0, 1], [0, 1]].mean()
    sure, labels = likely.max(1).values >= 0.6, likely.argmax(1)
    assert 0 < sure.sum() < 4
    unlabelled = (-found[2:].log_softmax(1)[torch.arange(4), labels] * sure).sum() / 4
    loss, sums = task.step(batch, 0, training=True)
    assert loss.item() == pytest.approx((supervised + 0.5 * unlabelled).item(), rel=1e-5)
    correct = int((found[:2].argmax(1) == torch.tensor([0, 1])).sum())
    wanted = [2 * supervised.item(), correct, 2 * unlabelled.item(), 2 * sure.float().mean().item(), 2]
    assert sums.tolist() == pytest.approx(wanted, rel=1e-5)
    assert task.summed("train") == ("loss", "accuracy", "unlabelled_loss", "used")


def test_no_gradient_through_the_weak_view() -> None:
    task, batch = task_of(FixMatch), batch_of()
    task.step(batch, 0, training=True).loss.backward()
    model = Network()
    found = model(torch.cat([prepared(batch.images[:2]), prepared(batch.images[2:], 0.5)]))
    with torch.no_grad():
        confidence, labels = model(prepared(batch.images[2:])).softmax(1).max(1)
    unlabelled = (F.cross_entropy(found[2:], labels, reduction="none") * (confidence >= 0.6)).mean()
    (F.cross_entropy(found[:2], torch.tensor([0, 1])) + 0.5 * unlabelled).backward()
    assert torch.allclose(task.model.head.weight.grad, model.head.weight.grad, atol=1e-6)


def test_aligned_predictions_favour_what_was_rare() -> None:
    task = task_of(FixMatch, align=True, threshold=0.0)
    task.method.shares.copy_(torch.tensor([0.6, 0.3, 0.1]))
    likely = torch.tensor([[0.5, 0.3, 0.2], [0.7, 0.2, 0.1]])
    shares = 0.99 * torch.tensor([0.6, 0.3, 0.1]) + 0.01 * torch.tensor([0.6, 0.25, 0.15])
    expected = likely / shares
    assert torch.allclose(task.method.aligned(likely), expected / expected.sum(1, keepdim=True))
    assert torch.allclose(task.method.shares, shares)
    assert "method.shares" in task.state_dict()  # goes on exactly
    assert not any("shares" in name for name in task.model.state_dict())


def test_pseudo_labels_by_hand() -> None:
    task, batch = task_of(PseudoLabel), batch_of()
    found = Network()(prepared(batch.images))
    confidence, labels = found[2:].softmax(1).max(1)
    unlabelled = (F.cross_entropy(found[2:], labels, reduction="none") * (confidence >= 0.6)).mean()
    supervised = F.cross_entropy(found[:2], torch.tensor([0, 1]))
    assert unlabelled > 0
    loss = task.step(batch, 0, training=True).loss
    assert loss.item() == pytest.approx((supervised + 0.5 * unlabelled).item(), rel=1e-5)


def test_the_teacher_is_the_average_in_evaluation_mode() -> None:
    task, batch = task_of(MeanTeacher), batch_of()
    teacher = Network()
    with torch.no_grad():
        teacher.head.weight.mul_(-1)
        teacher.norm.running_mean.fill_(0.5)
    task.method.teacher = WeightAverage(teacher, decay=0.9, warmup=False)
    found = Network()(prepared(batch.images))
    wanted = teacher.eval()(prepared(batch.images[2:])).softmax(1)
    distance = (found[2:].softmax(1) - wanted).square().sum(1).mean()
    loss, _ = task.train().step(batch, 0, training=True)
    supervised = F.cross_entropy(found[:2], torch.tensor([0, 1]))
    assert loss.item() == pytest.approx((supervised + 0.5 * distance).item(), rel=1e-5)
    assert task.model.training
    assert (
        task.method.teacher.state_dict()["average"]["norm.running_mean"].tolist() == [0.5] * 4
    )  # looked at, not changed
    task.method.teacher = None  # while a rate is searched for
    assert task.step(batch, 0, training=True).loss.isfinite()


@pytest.mark.parametrize("kind", list(OWN), ids=lambda kind: kind.__name__)
def test_validation_is_that_of_classification(kind: type[Method]) -> None:
    task, batch = task_of(kind).eval(), batch_of()
    batch = batch._replace(labels=torch.arange(6) % 3)
    logits = Network().eval()(prepared(batch.images))
    loss, sums = task.step(batch, 0, training=False)
    assert loss.item() == pytest.approx(F.cross_entropy(logits, batch.labels).item(), rel=1e-5)
    assert len(sums) == 3
    assert task.summed("val") == ("loss", "accuracy")


@pytest.mark.parametrize("kind", list(OWN), ids=lambda kind: kind.__name__)
def test_what_is_hidden_is_never_looked_at(kind: type[Method]) -> None:
    batch = batch_of()
    told = batch._replace(labels=torch.tensor([0, 1, 2, 0, 1, 2]))
    assert task_of(kind).step(batch, 0, training=True).loss == task_of(kind).step(told, 0, training=True).loss


def test_views_of_an_example_are_different_and_the_same_again() -> None:
    weak = Shifted()
    task, batch = task_of(MeanTeacher, weak=(weak,)), batch_of()
    # Row 100 is labelled twice, and is among the unlabelled ones too.
    batch = batch._replace(indices=torch.tensor([100, 100, 100, 7, 8, 9]))
    for number in (0, 1, 0):
        task.step(batch, number, training=True)
    labelled, student, teacher = (torch.stack(weak.drawn[i::3]) for i in range(3))
    drawn = torch.cat([labelled[:2].flatten(), student[:2].flatten(), teacher[:2].flatten()])
    assert len(drawn.unique()) == len(drawn) == 20
    for views in (labelled, student, teacher):
        assert torch.equal(views[0], views[2])


def weight_after(task: Any, share: float) -> float:
    task.length = (100, 10)
    task._trainer = SimpleNamespace(global_step=round(100 * share))
    return task.method.ramped(task._progress())


@pytest.mark.parametrize(("share", "expected"), [(0.0, math.exp(-5)), (0.2, math.exp(-1.25)), (0.4, 1.0), (0.9, 1.0)])
def test_the_ramp_is_a_bell(share: float, expected: float) -> None:
    assert weight_after(task_of(MeanTeacher, ramp=0.4), share) == pytest.approx(expected)


@pytest.mark.parametrize(("share", "expected"), [(0.0, 0.0), (0.1, 0.0), (0.2, 0.25), (0.5, 1.0), (1.0, 1.0)])
def test_the_ramp_of_pseudo_labels_is_a_line(share: float, expected: float) -> None:
    found = weight_after(task_of(PseudoLabel, start=0.1, ramp=0.4), share)
    assert found == pytest.approx(expected, abs=1e-9)


def test_shorter_texts_are_filled_up() -> None:
    first = (torch.tensor([[4, 5, 6]]), torch.tensor([3]))
    second = (torch.tensor([[7]]), torch.tensor([1]))
    tokens, lengths = _together(first, second)
    assert tokens.tolist() == [[4, 5, 6], [7, 0, 0]]
    assert lengths.tolist() == [3, 1]
    features, _ = _together((torch.ones(1, 1, 2), torch.tensor([1])), (torch.ones(1, 2, 2), torch.tensor([2])))
    assert features.tolist() == [[[1, 1], [0, 0]], [[1, 1], [1, 1]]]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"unlabelled_ratio": 0}, "learning.unlabelled_ratio=0: give a whole number from 1"),
        ({"threshold": 1.5}, r"learning.threshold=1.5 is not possible. Allowed: a number from 0 to 1\."),
        ({"weight": -1.0}, r"learning.weight=-1.0 is not possible. Allowed: a number from 0\."),
    ],
)
def test_what_cannot_be_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(RequestError, match=said):
        task_of(FixMatch, **changes)
