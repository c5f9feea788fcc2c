"""Where a model fails: metrics of groups of examples, and of corrupted inputs. What eval and the Python API share."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch

from sensorium.checkpoint import Checkpoint
from sensorium.data.attributes import attributes_of, columns_of
from sensorium.data.base import SPLITS, Data
from sensorium.data.corrupted import SEVERITIES
from sensorium.evaluation import evaluate
from sensorium.randomness import drawn_rows
from sensorium.run_config import RunConfig
from sensorium.specs import Spec
from sensorium.tasks import registry, robustness, slices
from sensorium.tasks.base import Evaluation


@dataclass(frozen=True)
class Examination:
    """What is asked beside the metrics of a split, and is possible. by, groups: None without slices."""

    by: str | None
    groups: slices.Groups | None
    corrupt: bool

    def of(
        self,
        found: Evaluation,
        loaded: Checkpoint,
        split: Any,
        *,
        config: RunConfig,
        device: torch.device,
        trust: bool,
        resamples: int = 0,
    ) -> Evaluation:
        """The evaluation `found` of a split with its `slices` and `corruptions`. resamples: of intervals; 0 for the
        usual number. Corruption is measured on a sample of the split, where that is large.
        """
        headline = registry.of(loaded.spec).headline
        if self.by is not None and self.groups is not None:
            resamples = resamples or slices.RESAMPLES
            measured = slices.measured(found, self.groups, by=self.by, headline=headline, resamples=resamples)
            found = replace(found, slices=measured)
        if self.corrupt:
            rows = drawn_rows(len(split), robustness.MOST_EXAMPLES)
            part = split.subset(rows) if len(rows) < len(split) else split
            corruptions = robustness.measured(
                robustness.corruptions_of(part, loaded.spec),
                dict(found.measure()(rows)),
                (len(rows), len(split)),
                lambda one: evaluate(loaded, one, config=config, device=device, trust=trust),
                headline,
            )
            found = replace(found, corruptions=corruptions)
        return found


def examination(
    data: Data,
    name: str,
    split: Any,
    spec: Spec,
    *,
    by: str | int | None,
    corrupt: bool,
    config: RunConfig,
    say: Callable[[str], None],
) -> Examination:
    """name, split: what is evaluated. spec: of the model. by: slices=, which may be a number. say: takes notes.

    Raises RequestError for what is not possible, before anything is evaluated.
    """
    if corrupt:
        times = len(robustness.corruptions_of(split, spec)) * len(SEVERITIES)
        size = min(len(split), robustness.MOST_EXAMPLES)
        say(f"corrupt=true evaluates {size:,} of {len(split):,} examples {times} more times")
    if by is None:
        return Examination(None, None, corrupt)
    groups = slice_groups(data, name, split, spec, by=str(by), config=config, say=say)
    return Examination(str(by), groups, corrupt)


def slice_groups(
    data: Data, name: str, split: Any, spec: Spec, *, by: str, config: RunConfig, say: Callable[[str], None]
) -> slices.Groups:
    """Groups of a split's examples, by an attribute or by a column of the table that they were read from.

    Raises RequestError for what there is not, and for what makes one group only.
    """
    names = SPLITS if name == "all" else (name,)
    origins = [origin for one in names if one in data.places for origin in data.places[one].origins()]
    if len(origins) != len(split) or "header" in config.dataset:  # columns with numbers instead of names
        origins = []
    known, encoding = attributes_of(split, spec), config.dataset.get("encoding")
    if by in known and (unit := known[by]().unit) and by in columns_of(origins, encoding=encoding):
        say(f"slices={by} is that of each input, in {unit}; to group by the column {by!r} of the table, rename it")
    return slices.grouped(by, known, origins, encoding=encoding)
