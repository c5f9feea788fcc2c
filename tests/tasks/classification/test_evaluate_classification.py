"""A model over a whole split: every example once, independent of the company it is in."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sensorium.data.loader import BatchLoader
from sensorium.data.order import BatchPlan
from sensorium.data.vision.splits import ImageSplit
from sensorium.data.vision.store import ArrayStore
from sensorium.errors import RequestError
from sensorium.specs import ImageClassificationSpec
from sensorium.tasks import registry
from sensorium.tasks.classification.evaluate import Classifier, evaluate
from sensorium.tasks.precision import autocast
from trainings import config_of, data_of

SPEC = ImageClassificationSpec(class_names=("a", "b", "c"), in_channels=1, image_size=(4, 4), mean=(0.25,), std=(0.5,))
CPU = torch.device("cpu")


def network(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Dropout(0.5), nn.Linear(128, 3)
    )


def classifier_of(model: nn.Module, **changes: object) -> Classifier:
    settings = {"spec": SPEC, "device": CPU, "precision": "32-true", "memory_format": "contiguous"} | changes
    return Classifier(model=model, **settings)


def split_of(count: int) -> ImageSplit:
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (count, 1, 4, 4), dtype=np.uint8)
    store = ArrayStore(pixels, image_size=None, channels="auto", resize="crop")
    return ImageSplit(store, random.integers(0, 3, count), [str(row) for row in range(count)])


def loader_of(split: ImageSplit, batch_size: int, *, rank: int = 0, world_size: int = 1) -> BatchLoader:
    order = split.order(BatchPlan(size=batch_size, shuffle=False, seed=0, rank=rank, world_size=world_size))
    return BatchLoader(split=split, order=order, readers=1)


class Mean(nn.Module):
    """Logits from the mean of the image as the model gets it."""

    def forward(self, images: Tensor) -> Tensor:
        mean = images.mean(dim=(1, 2, 3))
        return torch.stack([mean, -mean, torch.zeros_like(mean)], 1)


def test_probabilities_by_hand() -> None:
    """Brightness 255 becomes (1 - 0.25) / 0.5 = 1.5, and 0 becomes -0.5."""
    pictures = torch.tensor([0, 255], dtype=torch.uint8).view(2, 1, 1, 1).expand(2, 1, 4, 4)
    found = classifier_of(Mean()).probabilities(pictures)
    logits = torch.tensor([[-0.5, 0.5, 0.0], [1.5, -1.5, 0.0]])
    assert torch.allclose(found, logits.exp() / logits.exp().sum(1, keepdim=True), atol=1e-6)
    assert found.dtype == torch.float32


def test_it_judges_and_does_not_learn() -> None:
    model = network().train()
    classifier = classifier_of(model)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    pictures = torch.randint(0, 256, (8, 1, 4, 4), dtype=torch.uint8)
    assert torch.equal(classifier.probabilities(pictures), classifier.probabilities(pictures))
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("batch_size", [1, 7, 100])
def test_every_example_in_the_order_of_the_split_whatever_the_batch_size(batch_size: int) -> None:
    split = split_of(100)
    found = evaluate(classifier_of(network()), loader_of(split, batch_size))
    assert found.labels.tolist() == split.labels.tolist()
    one_by_one = [
        classifier_of(network()).probabilities(torch.from_numpy(split.images.read(np.array([row]))))[0]
        for row in range(100)
    ]
    assert torch.allclose(found.probabilities, torch.stack(one_by_one), atol=1e-5)
    assert found.probabilities.sum(1).tolist() == pytest.approx([1.0] * 100, abs=1e-5)
    assert found.seconds > 0


@pytest.mark.parametrize(("count", "world_size"), [(100, 2), (100, 3), (5, 4)])
def test_processes_put_their_shares_together(monkeypatch: pytest.MonkeyPatch, count: int, world_size: int) -> None:
    """Each process's share, as torch.distributed would hand it round; with fewer batches than processes too."""
    split, classifier = split_of(count), classifier_of(network())
    alone = evaluate(classifier, loader_of(split, 8))
    shares: list[object] = [None] * world_size

    def gather(into: list[object], parts: object) -> None:
        shares[rank] = parts
        into[:] = [share if share is not None else [] for share in shares]

    monkeypatch.setattr(torch, "distributed", SimpleNamespace(all_gather_object=gather))
    for rank in range(1, world_size):
        loader = loader_of(split, 8, rank=rank, world_size=world_size)
        shares[rank] = [(batch.indices, classifier.probabilities(batch.images), {}) for batch in loader]
    rank = 0
    together = evaluate(classifier, loader_of(split, 8, rank=0, world_size=world_size))
    assert torch.equal(together.probabilities, alone.probabilities)  # to the last bit: the batches are the same


def test_an_example_that_was_missed_is_no_number() -> None:
    split = split_of(10)
    loader = loader_of(split, 5)
    loader.load_state_dict({"epoch": 0, "given": 1})
    found = evaluate(classifier_of(network()), loader)
    assert found.probabilities[:5].isnan().all()
    assert not found.probabilities[5:].isnan().any()


@pytest.mark.parametrize(
    ("changes", "tolerance"), [({"memory_format": "channels_last"}, 1e-5), ({"precision": "bf16-mixed"}, 2e-2)]
)
def test_layout_and_precision_change_little(changes: dict[str, str], tolerance: float) -> None:
    pictures = torch.randint(0, 256, (16, 1, 4, 4), dtype=torch.uint8)
    plain = classifier_of(network()).probabilities(pictures)
    found = classifier_of(network(), **changes).probabilities(pictures)
    assert found.dtype == torch.float32
    assert torch.allclose(found, plain, atol=tolerance)
    if "precision" in changes:
        assert not torch.equal(found, plain)


def test_unknown_precision() -> None:
    with pytest.raises(
        RequestError, match=r"There is no precision \(trainer.precision\) 'bf16-mix'. Did you mean bf16-mixed"
    ):
        autocast("bf16-mix", CPU)


class Counting(Mean):
    """Counts the bright pixels of every image, beside the logits."""

    def counted(self, images: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        return self(images), {"bright": (images > 0.5).sum((1, 2, 3))}


@pytest.mark.parametrize("batch_size", [3, 100])
def test_what_a_model_counts_is_reported_beside_accuracy(batch_size: int) -> None:
    """Of an image, as it is normalised here, a pixel is above 0.5 from 0.5 * 0.5 + 0.25 = 0.5 of the way on."""
    split = split_of(20)
    found = evaluate(classifier_of(Counting()), loader_of(split, batch_size))
    bright = (split.images.read(np.arange(20)) > 127.5).sum((1, 2, 3))
    assert found.counts["bright"].tolist() == bright.tolist()
    assert found.metrics["bright"] == pytest.approx(bright.mean())
    plain = evaluate(classifier_of(Mean()), loader_of(split, batch_size))
    assert plain.counts == {}
    assert torch.equal(plain.probabilities, found.probabilities)
    assert plain.metrics == {name: value for name, value in found.metrics.items() if name != "bright"}


class Difference(nn.Module):
    """Logits from the first of two inputs less the second."""

    def forward(self, images: Tensor) -> Tensor:
        first, second = images.flatten(1).unbind(1)
        return torch.stack([first - second, second - first], 1)


def test_a_model_of_two_inputs_is_asked_all_over_their_plane() -> None:
    spec = ImageClassificationSpec(class_names=("a", "b"), in_channels=1, image_size=(1, 2), mean=(0.0,), std=(1.0,))
    plane = classifier_of(Difference(), spec=spec).plane()
    assert (plane.low, plane.high) == (-0.25, 1.25)
    size = len(plane.probabilities)
    assert plane.probabilities.shape == (size, size, 2)
    row, column = 5, size - 3  # second and first input
    step = 1.5 / (size - 1)
    expected = 1 / (1 + np.exp(-2 * step * (column - row)))
    assert plane.probabilities[row, column, 0].item() == pytest.approx(expected, rel=1e-5)
    assert classifier_of(Mean()).plane() is None


def test_examples_of_classes_that_the_model_does_not_know_are_named_or_skipped() -> None:
    data = data_of(config_of("dataset=digits"))
    other = replace(data.spec, class_names=("zero?", *data.spec.class_names[1:]))
    task = registry.of(data.spec)
    zeros, ones = (np.flatnonzero(data.test.labels == label) for label in (0, 1))
    split = data.test.subset(np.concatenate([ones[:2], zeros[:1], ones[2:3]]))
    trained = replace(data.spec, class_names=("zero", *data.spec.class_names[1:]))
    with pytest.raises(RequestError) as caught:
        task.relabeled(split, other, trained)
    assert "not trained for: zero? (did you mean zero?); the first is that of" in str(caught.value)
    assert str(caught.value).endswith("on_bad=skip skips examples of other classes.")
    kept, problems = task.without_unknown(split, other, trained)
    assert task.relabeled(kept, other, trained).labels.tolist() == [1, 1, 1]
    (problem,) = problems
    assert (problem.place, problem.what) == (split.names[2], "the model was not trained for class 'zero?'")
    assert task.relabeled(data.test.subset(ones[:2]), other, trained).labels.tolist() == [1, 1]  # none is unknown
