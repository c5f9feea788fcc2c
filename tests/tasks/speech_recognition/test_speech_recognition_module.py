"""Speech recognition: the loss of CTC by hand, and errors of greedy search."""

import math

import pytest
import torch
from torch import Tensor, nn

from recipes import plain_recipe
from sensorium.audio.augment import AudioAugment
from sensorium.batches import SpeechBatch
from sensorium.errors import RequestError
from sensorium.randomness import ExampleRandom
from sensorium.tasks.preprocessing import Preparation
from sensorium.tasks.speech_recognition.module import SpeechRecognitionModule


class Fixed(nn.Module):
    """The same probabilities of blank, a and b in each of two frames, whatever is said."""

    def __init__(self, probabilities: list[float]) -> None:
        super().__init__()
        self.log_probs = nn.Parameter(torch.tensor(probabilities).log())

    def forward(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        return self.log_probs.expand(len(features), 2, -1), torch.full_like(lengths, 2)


class Half(nn.Module):
    """Every other sample is a frame."""

    def forward(self, signal: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        return signal[:, ::2, None], lengths // 2


BATCH = SpeechBatch(
    signal=torch.arange(8.0).view(2, 4),
    lengths=torch.tensor([4, 2]),
    targets=torch.tensor([[1, 0], [1, 2]]),
    target_lengths=torch.tensor([1, 2]),
    indices=torch.tensor([0, 1]),
)


def task_of(augment: AudioAugment | None = None) -> SpeechRecognitionModule:
    preparation = Preparation(prepare=Half(), augment=augment or AudioAugment())
    return SpeechRecognitionModule(model=Fixed([0.2, 0.5, 0.3]), preparation=preparation, recipe=plain_recipe())


def test_the_loss_is_that_of_all_alignments_and_the_error_that_of_the_best_path() -> None:
    loss, sums = task_of().step(BATCH, 0, training=True)
    # "a" in two frames: a a, a blank, blank a; "a b": a b alone.
    nats = -math.log(0.25 + 2 * 0.5 * 0.2) - math.log(0.5 * 0.3)
    assert loss.item() == pytest.approx(nats / 3)
    # The best path is a a, so "a": right for the first, one token short of the second.
    assert sums.tolist() == pytest.approx([nats, 1, 3])


class Added(nn.Module):
    """One more, in the samples or in the features."""

    def forward(self, x: Tensor, lengths: Tensor, random: ExampleRandom) -> tuple[Tensor, Tensor]:
        return x + 1, lengths


class Tenfold(nn.Module):
    def forward(self, x: Tensor, lengths: Tensor, random: ExampleRandom) -> Tensor:
        return 10 * x


def test_samples_are_changed_before_features_are_taken_and_features_after() -> None:
    task = task_of(AudioAugment(waves=[Added()], features=[Tenfold()]))
    random = ExampleRandom(seed=0, epoch=0, indices=BATCH.indices, batch=0)
    (features, lengths), targets = task.preparation.augmented(BATCH.inputs, BATCH.targets, random)
    assert features[:, :, 0].tolist() == [[10, 30], [50, 70]]
    assert lengths.tolist() == [2, 1]
    assert targets is BATCH.targets


def test_kept_features_cannot_be_augmented_as_samples() -> None:
    task = task_of(AudioAugment(waves=[Added()]))
    random = ExampleRandom(seed=0, epoch=0, indices=BATCH.indices, batch=0)
    with pytest.raises(RequestError, match="cache=features keeps no samples"):
        task.preparation.augmented((torch.zeros(2, 4, 3), BATCH.lengths), BATCH.targets, random)
