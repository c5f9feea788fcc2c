"""The explainer that tasks share: a task says what there is to explain of an input, and how it is shown."""

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain, islice
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from sensorium.attribution.faithfulness import (
    LEVELS,
    Ends,
    Faithfulness,
    RandomCurves,
    completeness,
    curves,
    ends_of,
    random_curves,
    rank_correlation,
)
from sensorium.attribution.methods import METHODS, Method, Settings, targets_of
from sensorium.attribution.networks import randomized, shared_copy
from sensorium.attribution.subject import Subject
from sensorium.data.base import counted
from sensorium.errors import RequestError
from sensorium.models.exported import ExportedModel
from sensorium.nn.feature_hook import watched
from sensorium.nn.flops import count_flops
from sensorium.output import Record
from sensorium.tasks.explanation import Explainer, ExplainOptions, Explanation, TargetMap
from sensorium.tasks.explanation_choice import FEWEST_EXAMPLES, MOST_EXAMPLES, ExplanationChoice, affordable
from sensorium.tasks.feature_index import Neighbor

AUTO_INPUTS = 4  # whose explanations auto chooses by, where the checkpoint holds no choice
RANDOM_STEPS = 10  # of the map of random weights: it is compared by the ranks of its segments, which few steps settle


class Target(NamedTuple):
    """What is explained of an input. score: as a prediction shows it. details: what else JSON says of it."""

    name: str
    score: float
    details: Record = {}  # noqa: RUF012 (never edited)


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """An input ready to be explained. subject: whose scores (N, K) are of the K targets. shown: what it is drawn over.
    error: why it cannot be explained; then there are no targets.
    """

    name: str
    subject: Subject | None = None
    targets: tuple[Target, ...] = ()
    shown: Any = None
    error: str | None = None


@dataclass
class _Work:
    """What is known of one prepared input so far: maps (K, *P), and insertion minus deletion, by method."""

    prepared: Prepared
    subject: Subject
    ends: Ends | None = None
    random: RandomCurves | None = None
    maps: dict[str, Tensor] = field(default_factory=dict)
    curves: dict[str, tuple[Tensor, Tensor]] = field(default_factory=dict)


class AttributionExplainer(Explainer):
    """Maps by a method of `sensorium.attribution`, with their faithfulness.

    methods: names of those that this task offers, the preferred first. network: a model, of which a copy is made that
    shares its weights. with_random_weights: whether maps are compared with those of random weights; not where a score
    is of a place, around which random weights look as well.
    """

    with_random_weights: ClassVar[bool] = True

    def __init__(self, options: ExplainOptions, methods: Sequence[str], network: nn.Module) -> None:
        if isinstance(network, ExportedModel):
            raise RequestError(
                "An exported model cannot be explained: it has neither gradients nor layers. "
                "Give the checkpoint that it was exported from."
            )
        self.options, self.network = options, shared_copy(network)
        self._methods = tuple(METHODS[name] for name in methods)
        self._settings = Settings(steps=options.steps, seed=options.seed)
        self._chosen: Method | None = None
        self._why: list[str] = []
        self._empty = 0

    @abstractmethod
    def prepare(self, inputs: Iterable[Any]) -> Iterator[Prepared]:
        """Every input, in order: its subject over `self.network`, and its targets; or an error."""

    @abstractmethod
    def explanation(self, prepared: Prepared, method: str, maps: tuple[TargetMap, ...]) -> Explanation:
        """The task's form of it. prepared: without an error, or with one and no maps."""

    def explain(self, inputs: Iterable[Any]) -> Iterator[Explanation]:
        works = map(self._work, self.prepare(inputs))
        first = list(islice(works, AUTO_INPUTS))
        for work in chain(first, works):
            if isinstance(work, Explanation):
                yield work
                continue
            if not work.prepared.targets:
                self._empty += 1
                yield self.explanation(work.prepared, "", ())
                continue
            if self._chosen is None:
                ready = [one for one in first if isinstance(one, _Work) and one.prepared.targets]
                self._chosen = self._choose(ready or [work])
            yield self._finished(work, self._chosen)

    def notes(self) -> list[str]:
        return [*self._why, *([f"{counted(self._empty, 'input')} without a target to explain"] if self._empty else [])]

    def _work(self, prepared: Prepared) -> "_Work | Explanation":
        if prepared.subject is None or prepared.error is not None:
            return self.explanation(prepared, "", ())
        return _Work(prepared, prepared.subject)

    # -- the method

    def _choose(self, works: list[_Work]) -> Method:
        """The method asked for, or by the numbers of the first inputs the one whose maps are most faithful."""
        subject = works[0].subject
        if (stored := self._stored(subject)) is not None:
            return stored
        fitting = [method for method in self._methods if method.fits(subject)]
        names = [method.name for method in fitting]
        if self.options.method != "auto":
            if self.options.method not in names:
                raise RequestError(
                    f"method={self.options.method} does not fit this model, "
                    f"{type(self.network).__name__}. Allowed: {', '.join(['auto', *names])}."
                )
            return METHODS[self.options.method]
        if len(fitting) == 1 or not self.options.random_maps:
            why = "the only one that fits" if len(fitting) == 1 else "the preferred one: random_maps=0 measures nothing"
            self._why = [f"method=auto: {names[0]}, {why}."]
            return fitting[0]
        found = self._best(works, fitting)
        self._why = [
            f"method=auto: {found.method}, by insertion - deletion on {counted(len(works), 'input')}: {found.why()}. "
            "The checkpoint holds no choice made on validation examples."
        ]
        return METHODS[found.method]

    def _stored(self, subject: Subject) -> Method | None:
        """What was chosen on validation examples after the training; None where that is not wanted or not there."""
        choice = self.options.choice
        if self.options.method != "auto" or choice is None:
            return None
        method = METHODS[choice.method]
        if method not in self._methods or not method.fits(subject):
            return None
        self._why = [
            f"method=auto: {method.name}, chosen after training by insertion - deletion on {choice.examples} "
            f"validation examples: {choice.why()}."
        ]
        return method

    def choice(self, inputs: Iterable[Any]) -> ExplanationChoice:
        ready = (one for one in map(self._work, self.prepare(inputs)) if isinstance(one, _Work))
        works = list(islice((work for work in ready if work.prepared.targets), MOST_EXAMPLES))
        if len(works) < FEWEST_EXAMPLES:
            raise RequestError(f"{len(works)} of the examples have something to explain; it takes {FEWEST_EXAMPLES}")
        subject = works[0].subject
        fitting = [method for method in self._methods if method.fits(subject)]
        works = [work for work in works if all(method.fits(work.subject) for method in fitting)]
        count = affordable(self._flops(subject, len(fitting)), subject.features.device.type)
        if min(count, len(works)) < FEWEST_EXAMPLES:
            raise RequestError("comparing methods takes too long for a model of this size; explain does, on its inputs")
        return self._best(works[:count], fitting)

    def _flops(self, subject: Subject, methods: int) -> float:
        """Operations of the maps and curves of all methods for one input, about."""
        windows = subject.count if subject.windows is None else len(subject.windows)
        each = 2 * 3 * self.options.steps + 2 * LEVELS * methods  # two methods by gradients, forward and back
        return count_flops(_Scores(subject), subject.features[None]) * float(windows + each * targets_of(subject))

    def _best(self, works: list[_Work], fitting: Sequence[Method]) -> ExplanationChoice:
        quality = {method.name: self._quality(works, method) for method in fitting}
        best = max(quality, key=lambda name: quality[name])  # of equal ones the preferred
        others = {name: value for name, value in quality.items() if name != best}
        return ExplanationChoice(best, quality[best], len(works), others)

    def _quality(self, works: list[_Work], method: Method) -> float:
        found = []
        for work in works:
            deletion, insertion = self._curves(work, method)
            found.append(float((insertion - deletion).mean()))
        return sum(found) / len(found)

    # -- one input

    def _maps(self, work: _Work, method: Method) -> Tensor:
        if method.name not in work.maps:
            work.maps[method.name] = method.attribute(work.subject, self._settings).float().cpu()
        return work.maps[method.name]

    def _curves(self, work: _Work, method: Method) -> tuple[Tensor, Tensor]:
        if method.name not in work.curves:
            work.ends = work.ends or ends_of(work.subject)
            values = work.subject.importance(self._maps(work, method))
            work.curves[method.name] = curves(work.subject, values, work.ends, seed=self.options.seed)
        return work.curves[method.name]

    def _random(self, work: _Work) -> RandomCurves:
        if work.random is None:
            work.random = random_curves(work.subject, maps=self.options.random_maps, seed=self.options.seed)
        return work.random

    def _finished(self, work: _Work, method: Method) -> Explanation:
        if not method.fits(work.subject):  # an input of a size that others do not have
            raise RequestError(f"method={method.name} does not fit {work.prepared.name}.")
        maps = self._maps(work, method)
        faithfulness = self._faithfulness(work, method, maps) if self.options.random_maps else [None] * len(maps)
        found = tuple(
            TargetMap(
                target=target.name,
                score=target.score,
                attribution=one.numpy(),
                faithfulness=measured,
                details=dict(target.details),
            )
            for target, one, measured in zip(work.prepared.targets, maps, faithfulness, strict=True)
        )
        return replace(self.explanation(work.prepared, method.name, found), neighbors=self._neighbors(work.subject))

    def _neighbors(self, subject: Subject) -> tuple[Neighbor, ...]:
        if self.options.neighbors is None:
            return ()
        with torch.no_grad():
            _, features = watched(self.network, subject.scores, [subject.features[None]])
        return self.options.neighbors(features[0])

    def _faithfulness(self, work: _Work, method: Method, maps: Tensor) -> list[Faithfulness]:
        random, (deletion, insertion) = self._random(work), self._curves(work, method)
        better = (random.insertion - random.deletion < insertion - deletion).double().mean(dim=0)
        errors = completeness(work.subject, maps) if method.complete else None
        others = self._maps_of_random_weights(work.subject, method)
        return [
            Faithfulness(
                deletion=float(deletion[place]),
                insertion=float(insertion[place]),
                random_deletion=float(random.deletion[:, place].mean()),
                random_insertion=float(random.insertion[:, place].mean()),
                better_share=float(better[place]),
                completeness_error=None if errors is None else errors[place][0],
                completeness_relative=None if errors is None else errors[place][1],
                random_weights_correlation=_alike(work.subject, maps, others, place),
            )
            for place in range(len(maps))
        ]

    def _maps_of_random_weights(self, subject: Subject, method: Method) -> Tensor | None:
        """None for a network without weights, and where the method finds no place in it."""
        other = subject.on(self._random_network)
        weights = any(True for _ in self.network.parameters())
        if not (self.with_random_weights and weights and method.fits(other)):
            return None
        few = replace(self._settings, steps=min(RANDOM_STEPS, self._settings.steps))
        return method.attribute(other, few).float().cpu()

    @cached_property
    def _random_network(self) -> nn.Module:
        return randomized(self.network, seed=self.options.seed)


class _Scores(nn.Module):
    """The scores of a subject, as a module whose operations can be counted."""

    def __init__(self, subject: Subject) -> None:
        super().__init__()
        self.network, self._subject = subject.network, subject

    def forward(self, rows: Tensor) -> Tensor:
        """rows: (N, *F); (N, K)."""
        return self._subject.scores(rows)


def _alike(subject: Subject, maps: Tensor, others: Tensor | None, place: int) -> float | None:
    """The rank correlation of a map with that of random weights; None where these give no numbers."""
    if others is None or not torch.isfinite(others[place]).all():
        return None
    first, second = (subject.per_segment(one[place : place + 1]) for one in (maps, others))
    return rank_correlation(first, second)
