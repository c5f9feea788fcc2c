"""Classification from few labels and many examples without: pseudo-labels, FixMatch, and the mean teacher.

A batch is labeled examples followed by `unlabelled_ratio` times as many others (data/mixed_order.py), whose labels are
never looked at. The loss is that of classification on the first, plus a weight times what a method asks of the others.
"""

import math
from abc import abstractmethod
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torch.distributed
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from sensorium.batches import AudioBatch, ImageBatch, TextBatch
from sensorium.errors import RequestError
from sensorium.nn.dry_run import evaluating
from sensorium.optim.average import WeightAverage
from sensorium.randomness import ExampleRandom
from sensorium.tasks.classification.module import ClassificationModule
from sensorium.tasks.preprocessing import Inputs, Preparation
from sensorium.tasks.training_module import OptimizationConfig, StepResult

_WEAK, _OTHER_WEAK, _STRONG = 1, 2, 3  # views of an unlabeled example, each with random numbers of its own


class Asked(NamedTuple):
    """What a method asks of unlabeled examples. loss: scalar. used: share of them that it asked something of."""

    loss: Tensor
    used: Tensor


class UnlabeledExamples(NamedTuple):
    """The unlabeled examples of a batch, in as many views as a method wants.

    inputs: as stored. nothing: (B, K) zeros, instead of targets. random: of a view, its random numbers.
    """

    inputs: Inputs
    nothing: Tensor
    random: Callable[[int], ExampleRandom]

    def seen(self, preparation: Preparation, view: int) -> Inputs:
        """One view, as the model is called with it."""
        return _view(preparation, self.inputs, self.nothing, self.random(view))[0]


class Method(nn.Module):
    """What is asked of unlabeled examples, and how much it counts.

    unlabelled_ratio: unlabeled examples of a batch for each labeled one. weight: of their loss. ramp: share of the
    training over which the weight grows from 0. strong: what makes a strong view; None where a method has none.
    """

    def __init__(self, *, unlabelled_ratio: int, weight: float, ramp: float, strong: Preparation | None = None) -> None:
        super().__init__()
        if unlabelled_ratio != int(unlabelled_ratio) or unlabelled_ratio < 1:
            raise RequestError(f"learning.unlabelled_ratio={unlabelled_ratio}: give a whole number from 1.")
        _check("weight", weight, math.inf)
        _check("ramp", ramp, 1.0)
        self.unlabelled_ratio, self.weight, self.ramp = int(unlabelled_ratio), weight, ramp
        self.strong = strong

    def shown(self, examples: UnlabeledExamples, weak: Preparation) -> Inputs:
        """What the model that learns is called with: the strong view where there is one, else a weak one."""
        return examples.seen(weak, _WEAK) if self.strong is None else examples.seen(self.strong, _STRONG)

    @abstractmethod
    def asked(self, model: nn.Module, logits: Tensor, examples: UnlabeledExamples, weak: Preparation) -> Asked:
        """What is asked, from the logits (B, K) of what was `shown`."""

    def ramped(self, progress: float) -> float:
        """Share of the weight when a share of the training is over: exp(-5 (1 - t)^2) over the ramp (Laine and Aila
        2017, arXiv 1610.02242, section 2.1).
        """
        rest = max(0.0, 1.0 - progress / self.ramp) if self.ramp else 0.0
        return math.exp(-5.0 * rest * rest)


class PseudoLabel(Method):
    """A confident prediction is taken for a label (D.-H. Lee, "Pseudo-label: the simple and efficient semi-supervised
    learning method for deep neural networks", ICML workshop 2013).

    The paper takes all predictions; here those above a threshold, which later comparisons found better. Its weight
    stays 0 for a while and then grows along a straight line.

    start: share of the training after which it begins. threshold: least probability; 0 takes all.
    """

    def __init__(self, *, unlabelled_ratio: int, weight: float, start: float, ramp: float, threshold: float) -> None:
        super().__init__(unlabelled_ratio=unlabelled_ratio, weight=weight, ramp=ramp)
        _check("threshold", threshold, 1.0)
        _check("start", start, 1.0)
        self.threshold, self.start = threshold, start

    def asked(self, model: nn.Module, logits: Tensor, examples: UnlabeledExamples, weak: Preparation) -> Asked:
        return _as_labels(logits, logits.detach().softmax(1), self.threshold)

    def ramped(self, progress: float) -> float:
        over = progress - self.start
        return min(1.0, max(0.0, over / self.ramp)) if self.ramp else float(over >= 0)


class FixMatch(Method):
    """What the model is sure of in a weak view is the label of a strong view (K. Sohn et al., "FixMatch: simplifying
    semi-supervised learning with consistency and confidence", 2020, arXiv 2001.07685).

    The weak view goes through the model by itself and without a gradient: a third of the work less than in one batch.

    num_classes: K. threshold: least probability of a label. align: predictions are first scaled so that on average all
    classes are equally likely (distribution alignment, Berthelot et al. 2020, arXiv 1911.09785, section 3.1), which
    keeps the model from favoring a few where labels are very few, and is wrong where classes are not about equally
    frequent.
    """

    shares: Tensor

    def __init__(
        self,
        *,
        num_classes: int,
        unlabelled_ratio: int,
        weight: float,
        ramp: float,
        threshold: float,
        align: bool,
        strong: Preparation,
    ) -> None:
        super().__init__(unlabelled_ratio=unlabelled_ratio, weight=weight, ramp=ramp, strong=strong)
        _check("threshold", threshold, 1.0)
        self.threshold, self.align = threshold, align
        # Of the task and in its checkpoints, so that a run resumes exactly; no weight of the model.
        self.register_buffer("shares", torch.full((num_classes,), 1 / num_classes))

    def asked(self, model: nn.Module, logits: Tensor, examples: UnlabeledExamples, weak: Preparation) -> Asked:
        with torch.no_grad():
            likely = _floats(model(*examples.seen(weak, _WEAK))).softmax(1)
            if self.align:
                likely = self.aligned(likely)
        return _as_labels(logits, likely, self.threshold)

    def aligned(self, likely: Tensor) -> Tensor:
        """Probabilities (B, K) as they would be were all classes equally likely so far, in all processes."""
        mean = likely.mean(0)
        if torch.distributed.is_initialized():
            torch.distributed.all_reduce(mean)
            mean /= torch.distributed.get_world_size()
        self.shares.lerp_(mean, 0.01)
        scaled = likely / self.shares.clamp(min=1e-6)
        return scaled / scaled.sum(1, keepdim=True)


class MeanTeacher(Method):
    """The averaged weights teach: in two views, the model is to say what its average says (A. Tarvainen and H. Valpola,
    "Mean teachers are better role models", 2017, arXiv 1703.01780).

    The teacher is the average that callbacks=ema keeps, evaluates and saves; here it predicts in evaluation mode.

    weight: of the squared distance of the two vectors of probabilities. strong: the view that the model sees; None for
    a weak one, as in the paper.
    """

    teacher: WeightAverage | None = None  # handed over when training starts

    def asked(self, model: nn.Module, logits: Tensor, examples: UnlabeledExamples, weak: Preparation) -> Asked:
        wanted = self._taught(model, examples.seen(weak, _OTHER_WEAK))
        distance = (logits.softmax(1) - wanted).square().sum(1)
        return Asked(distance.mean(), torch.ones_like(distance).mean())

    def _taught(self, model: nn.Module, inputs: Inputs) -> Tensor:
        """(B, K) probabilities by the teacher; by the model itself where none is kept, as when a rate is searched."""
        weights: dict[str, Any] = self.teacher.state_dict()["average"] if self.teacher is not None else {}
        with evaluating(model):
            return _floats(functional_call(model, weights, inputs)).softmax(1)


class SemiSupervised(ClassificationModule):
    """Classification of labeled examples, and what a method asks of the others.

    In training, loss and accuracy count labeled examples; beside them are logged the unlabeled examples' loss, before
    its weight, and how many of them were used.
    """

    repeats = True  # labeled examples come many times in an epoch

    def __init__(
        self,
        *,
        model: nn.Module,
        num_classes: int,
        preparation: Preparation,
        recipe: OptimizationConfig,
        label_smoothing: float,
        class_weights: Tensor | None = None,
        method: Method,
    ) -> None:
        super().__init__(
            model=model,
            num_classes=num_classes,
            preparation=preparation,
            recipe=recipe,
            label_smoothing=label_smoothing,
            class_weights=class_weights,
        )
        self.method = method

    def summed(self, stage: str) -> tuple[str, ...]:
        return (*self.totals, "unlabelled_loss", "used") if stage == "train" else self.totals

    def on_train_start(self) -> None:
        super().on_train_start()
        if isinstance(self.method, MeanTeacher):
            averages = (getattr(callback, "average", None) for callback in self.trainer.callbacks)  # type: ignore[attr-defined]
            self.method.teacher = next((average for average in averages if isinstance(average, WeightAverage)), None)

    def step(self, batch: ImageBatch | TextBatch | AudioBatch, batch_idx: int, *, training: bool) -> StepResult:
        if not training:
            return super().step(batch, batch_idx, training=False)
        count = len(batch.labels) // (1 + self.method.unlabelled_ratio)
        labels, rows = batch.labels[:count], batch.indices[count:]
        shares = F.one_hot(labels, self.num_classes).float()
        random = self.random(batch.indices[:count], batch_idx)
        inputs, targets = _view(self.preparation, tuple(t[:count] for t in batch.inputs), shares, random)
        examples = UnlabeledExamples(
            inputs=tuple(tensor[count:] for tensor in batch.inputs),
            nothing=shares.new_zeros(len(rows), self.num_classes),
            random=lambda view: self.random(rows, batch_idx, view),
        )
        found = _floats(self.model(*_together(inputs, self.method.shown(examples, self.preparation))))
        loss = self._loss(found[:count], targets, training=True)
        asked = self.method.asked(self.model, found[count:], examples, self.preparation)
        correct = (found[:count].detach().argmax(1) == labels).sum()
        sums = [loss.detach() * count, correct, asked.loss.detach() * count, asked.used * count, correct * 0 + count]
        weight = self.method.weight * self.method.ramped(self._progress())
        return StepResult(loss + weight * asked.loss, torch.stack([s.float() for s in sums]))

    def _progress(self) -> float:
        """Share of the training that is over, 0 to 1; 0 where its length is not known."""
        return min(1.0, self.global_step / self.length[0])


def _as_labels(logits: Tensor, likely: Tensor, threshold: float) -> Asked:
    """Cross-entropy with the likeliest classes where they are likely enough, over all examples. Both are (B, K)."""
    confidence, labels = likely.max(1)
    sure = (confidence >= threshold).to(logits.dtype)
    return Asked((F.cross_entropy(logits, labels, reduction="none") * sure).mean(), sure.mean())


def _view(preparation: Preparation, inputs: Inputs, targets: Tensor, random: Any) -> tuple[Inputs, Tensor]:
    return preparation.augmented(inputs, targets, random) if preparation.augments else (preparation(*inputs), targets)


def _together(first: Inputs, second: Inputs) -> Inputs:
    """Both as one batch; of texts and sounds, the shorter ones are padded with zeros, which are padding in both."""
    return tuple(torch.cat(_of_one_length(a, b)) for a, b in zip(first, second, strict=True))


def _of_one_length(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    if a.ndim < 2 or a.shape[1] == b.shape[1]:
        return a, b
    most, behind = max(a.shape[1], b.shape[1]), (0,) * 2 * (a.ndim - 2)
    return F.pad(a, (*behind, 0, most - a.shape[1])), F.pad(b, (*behind, 0, most - b.shape[1]))


def _floats(logits: Tensor) -> Tensor:
    return logits.to(torch.promote_types(logits.dtype, torch.float32))


def _check(name: str, value: float, most: float) -> None:
    if not 0 <= value <= most:
        upper = "" if most == math.inf else f" to {most:g}"
        raise RequestError(f"learning.{name}={value} is not possible. Allowed: a number from 0{upper}.")
