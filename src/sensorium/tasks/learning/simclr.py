"""Learning features of images without any label: SimCLR.

T. Chen, S. Kornblith, M. Norouzi and G. Hinton, "A simple framework for contrastive learning of visual
representations", 2020, arXiv 2002.05709. Two strong views of each image are to be alike for the net, and different
from those of all other images of the batch; of several processes, each compares those of its own batch.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sensorium.batches import ImageBatch
from sensorium.errors import RequestError
from sensorium.losses.contrastive import nt_xent
from sensorium.nn.dry_run import dry_run
from sensorium.nn.feature_hook import FeatureHook, as_vectors
from sensorium.optim.groups import parameter_groups
from sensorium.tasks.preprocessing import Preparation
from sensorium.tasks.training_module import OptimizationConfig, StepResult, TaskModule

_VIEWS = (1, 2)


class SimCLR(TaskModule):
    """Trains all of a classifier but its `head`, of which the features are taken as they enter it.

    On validation examples, accuracy is that of the 20 nearest labeled training examples (or fewer, if there are
    fewer), each counting by its similarity: what the features are worth, before any training of a head.

    strong: makes a view. projection_size: features of the second layer of the projection, in which views are compared
    and which is thrown away in the end; the first has as many as enter the head.
    temperature: of the loss; smaller looks more at the nearest others. example: what the model is called with, once, to
    see its features. reference: labeled training batches for the nearest neighbors.

    Raises RequestError for a model without a head or with nothing before it.
    """

    totals = ("loss", "accuracy")
    best = ("val/accuracy", "max")

    def __init__(
        self,
        *,
        model: nn.Module,
        num_classes: int,
        recipe: OptimizationConfig,
        preparation: Preparation,
        strong: Preparation,
        projection_size: int,
        temperature: float,
        example: tuple[Tensor, ...],
        reference: Callable[[], Iterable[ImageBatch]],
    ) -> None:
        super().__init__(model=model, recipe=recipe)
        if not temperature > 0:
            raise RequestError(f"learning.temperature={temperature} is not possible. Allowed: a number above 0.")
        self.hook = FeatureHook(model, "head")
        if all(name.split(".")[0] == "head" for name, _ in model.named_parameters()):
            raise RequestError(f"{type(model).__name__} is only a head: it has no features to learn.")
        head = model.get_submodule("head")
        head.requires_grad_(False)
        self.num_classes, self.preparation, self.strong = num_classes, preparation, strong
        self.temperature, self.reference = temperature, reference
        dry_run(model, *example)
        size = as_vectors(self.hook.take()).shape[1]
        self.projection = nn.Sequential(
            nn.Linear(size, size), nn.BatchNorm1d(size), nn.ReLU(), nn.Linear(size, projection_size)
        )
        self._known: tuple[Tensor, Tensor] | None = None

    def summed(self, stage: str) -> tuple[str, ...]:
        return ("loss",) if stage == "train" else self.totals

    def step(self, batch: ImageBatch, batch_idx: int, *, training: bool) -> StepResult:
        count = len(batch.indices)
        nothing = torch.zeros(count, self.num_classes, device=batch.indices.device)
        views = [
            self.strong.augmented(batch.inputs, nothing, self.random(batch.indices, batch_idx, view))[0]
            for view in _VIEWS
        ]
        both = self._features(self.model, tuple(torch.cat(pair) for pair in zip(*views, strict=True)))
        loss = nt_xent(*self.projection(both).chunk(2), temperature=self.temperature)
        sums = [loss.detach() * count]
        if not training:
            sums.append(self._nearest_right(batch))
        return StepResult(loss, torch.stack([*sums, torch.full_like(sums[0], count)]))

    def _features(self, model: nn.Module, inputs: tuple[Tensor, ...]) -> Tensor:
        model(*inputs)
        return as_vectors(self.hook.take())

    def _plain(self, batch: ImageBatch) -> Tensor:
        """(B, F) of length 1, of images as they are."""
        return F.normalize(self._features(self.model, self.preparation(*batch.inputs)).float(), dim=1)

    def _nearest_right(self, batch: ImageBatch) -> Tensor:
        """How many examples' nearest neighbors say what they are."""
        if self._known is None:
            return batch.labels.new_zeros((), dtype=torch.float32)
        features, labels = self._known
        asked = self._plain(batch)
        with torch.autocast(self.device.type, enabled=False):
            near = (asked @ features.T).topk(min(20, len(labels)))
        votes = torch.zeros(len(batch.labels), self.num_classes, device=features.device)
        votes.scatter_add_(1, labels[near.indices], (near.values / 0.1).exp())
        return (votes.argmax(1) == batch.labels).sum().float()

    def on_validation_epoch_start(self) -> None:
        super().on_validation_epoch_start()
        features, labels = [], []
        for batch in self.reference():
            moved = self.transfer_batch_to_device(batch, self.device, 0)
            with torch.autocast(self.device.type, enabled=False):
                features.append(self._plain(moved))
            labels.append(moved.labels)
        self._known = (torch.cat(features), torch.cat(labels)) if features else None

    def groups(self) -> list[dict[str, Any]]:
        """Those of the model and, at the rate of a head, of the projection."""
        recipe = self.recipe
        own = parameter_groups(self.projection, lr=recipe.lr, weight_decay=recipe.weight_decay)
        named = [group | {"name": group["name"].replace("backbone", "projection")} for group in own]
        return [*super().groups(), *named]
