"""From a listing to data: one order of steps for every task.

    read the inputs -> check the targets -> duplicates -> unknown classes -> refuse or skip -> hold out -> fit -> encode

`Inputs` says what an image, a text or a recording needs for that, `Targets` what a class, tags, numbers, boxes, a mask
or a transcript needs; a dataset pairs one with the other. Shapes: N examples listed, M of them chosen.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from sensorium.data.base import SPLITS, Data, OnBad, Problem, check_on_bad, counted, first_problem, refuse
from sensorium.data.duplicates import check_different, find_duplicates, overlap_note, settle_conflicts, without
from sensorium.data.hold_out import hold_out
from sensorium.data.listing import Listing
from sensorium.data.settings import Settings
from sensorium.errors import RequestError

Rows = Mapping[str, np.ndarray]  # split -> (M,) int64


class Inputs(Protocol):
    """What models are given, read and looked at. shared: what messages say that duplicates have in common."""

    shared: str
    digests: np.ndarray  # (N, D) uint8; the same for the same content
    unusable: dict[int, str]  # row -> why
    notes: list[str]

    @property
    def keys(self) -> np.ndarray:
        """(N, D) uint8 that examples are held out by: alike ones stay together."""

    def fit(self, rows: Rows) -> dict[int, str]:
        """Learns from the training rows what there is to learn: statistics, a tokenizer. Returns the rows that turn out
        to be unusable, and why.
        """

    def columns(self, rows: np.ndarray) -> dict[str, Any]:
        """Fields of a split of these rows."""

    def spec(self) -> dict[str, Any]:
        """Fields of the spec."""

    def notes_on(self, rows: Rows) -> list[str]:
        """What is worth telling about the splits."""


class Targets(Protocol):
    """What models are to predict. duplicates: a value of each example that has to agree between duplicates, or None."""

    duplicates: Sequence[str] | None
    copies: str  # what messages call duplicates within a split
    rare_groups_stay: bool  # a group too small to divide stays in train, instead of being an error

    def check(self, inputs: Any) -> dict[int, Any]:
        """The rows that are unusable because of their target, and why: in words, or a Problem with another place."""

    def unknown(self, rows: np.ndarray) -> tuple[dict[int, str], list[str]]:
        """Of these usable rows, those of val and test that training could not teach, and why; and notes."""

    def settle(self, train: np.ndarray, problems: Sequence[Problem]) -> None:
        """Fixes what follows from the usable rows of train (M,), such as the class names, before any is held out.

        Raises RequestError where there is nothing to learn from.
        """

    def strata(self, rows: np.ndarray) -> tuple[np.ndarray, Sequence[str], str]:
        """For rows of train that may be held out: (M,) int64, which group each is of; the names of the groups; and how
        messages say that they are kept in proportion, such as " by class".
        """

    def fit(self, rows: Rows) -> dict[int, str]:
        """As `Inputs.fit`, after it."""

    def columns(self, rows: np.ndarray) -> dict[str, Any]:
        """Fields of a split of these rows."""

    def spec(self) -> dict[str, Any]:
        """Fields of the spec."""

    def notes_on(self, rows: Rows) -> list[str]:
        """What is worth telling about the splits."""


class NoTargets:
    """For pairs of inputs that are their own targets, and the base of the others."""

    duplicates: Sequence[str] | None = None
    copies = ""
    rare_groups_stay = False

    def check(self, inputs: Any) -> dict[int, Any]:
        """Nothing can be wrong."""
        return {}

    def unknown(self, rows: np.ndarray) -> tuple[dict[int, str], list[str]]:
        """Nothing is unknown."""
        return {}, []

    def settle(self, train: np.ndarray, problems: Sequence[Problem]) -> None:
        """Nothing follows."""

    def strata(self, rows: np.ndarray) -> tuple[np.ndarray, Sequence[str], str]:
        """One group for all."""
        return np.zeros(len(rows), dtype=np.int64), ("all",), ""

    def fit(self, rows: Rows) -> dict[int, str]:
        """Nothing to learn."""
        return {}

    def columns(self, rows: np.ndarray) -> dict[str, Any]:
        """No fields."""
        return {}

    def spec(self) -> dict[str, Any]:
        """No fields."""
        return {}

    def notes_on(self, rows: Rows) -> list[str]:
        """Nothing to tell."""
        return []


def prepare(
    found: Listing,
    inputs: Inputs,
    targets: Targets,
    *,
    spec: type[Any],
    split: type[Any],
    settings: Settings,
    on_bad: OnBad,
) -> Data:
    """The three splits; those that the listing does not give are held out of train, drawn by content.

    spec, split: the classes that are made of the fields of inputs and targets.

    Raises RequestError for problems with on_bad="fail", and for data from which nothing can be learned.
    """
    check_on_bad(on_bad)
    bad, listed, notes = _compared(found, inputs, targets, settings)
    problems = _refused(found, bad, on_bad)
    usable = without(listed, bad)
    rows = {name: usable[found.splits[usable] == number] for number, name in enumerate(SPLITS)}
    _check_not_empty(found, rows, problems)
    targets.settle(rows["train"], problems)
    rows, split_notes = divide(found, inputs, targets, rows, settings)
    late = {**inputs.fit(rows), **targets.fit(rows)}
    if late:
        bad |= late
        problems = _refused(found, bad, on_bad)
        rows = {name: without(of, late) for name, of in rows.items()}
        _check_not_empty(found, rows, problems)
    splits = {name: split(**inputs.columns(of), **targets.columns(of)) for name, of in rows.items()}
    return Data(
        spec=spec(**inputs.spec(), **targets.spec()),
        **splits,
        problems=tuple(problems),
        notes=(
            *found.notes,
            *inputs.notes,
            *notes,
            *split_notes,
            *inputs.notes_on(rows),
            *targets.notes_on(rows),
        ),
        places={name: found.places.subset(of) for name, of in rows.items()},
    )


def _compared(
    found: Listing, inputs: Inputs, targets: Targets, settings: Settings
) -> tuple[dict[int, Any], np.ndarray, list[str]]:
    """Row -> why, of the unusable examples; the rows that are left after conflicts are settled, some of them unusable;
    and notes.
    """
    bad = {**targets.check(inputs), **inputs.unusable}
    listed = without(np.arange(len(found)), bad)
    conflicts: list[str] = []
    shared: dict[str, Any] = {"digests": inputs.digests, "splits": found.splits, "places": found.places}
    check_different(digests=inputs.digests, splits=found.splits, rows=listed, examples=f"{found.unit}s")
    if targets.duplicates is not None:
        listed, conflicts = settle_conflicts(
            **shared,
            labels=targets.duplicates,
            rows=listed,
            on_conflict=settings.conflicts,
            examples=f"{found.unit}s",
        )
    duplicates, notes = find_duplicates(
        **shared,
        labels=targets.duplicates,
        rows=listed,
        content=inputs.shared,
        copies=targets.copies or f"{found.unit}s that duplicate another in the same split",
        test_is_whole=settings.published,
    )
    if settings.published:
        listed = without(listed, duplicates)
        labelled = targets.duplicates is not None
        notes += overlap_note(
            duplicates, splits=found.splits, places=found.places, examples=f"{found.unit}s", labelled=labelled
        )
    else:
        bad |= duplicates
    unknown, unknown_notes = targets.unknown(without(listed, bad))
    return bad | unknown, listed, [*conflicts, *notes, *unknown_notes]


def _refused(found: Listing, bad: Mapping[int, Any], on_bad: OnBad) -> list[Problem]:
    problems = found.problems + [
        bad[row] if isinstance(bad[row], Problem) else found.problem(row, bad[row]) for row in sorted(bad)
    ]
    refuse(problems, on_bad=on_bad)
    return problems


def _check_not_empty(found: Listing, rows: Rows, problems: Sequence[Problem]) -> None:
    for name in SPLITS:
        if name in rows and not len(rows[name]) and name in found.given:
            raise RequestError(f"{found.source} has no usable {found.unit}s left in {name}.{first_problem(problems)}")


def divide(
    found: Listing,
    inputs: Inputs,
    targets: Targets,
    rows: Rows,
    settings: Settings,
) -> tuple[dict[str, np.ndarray], list[str]]:
    """The usable rows of each split, of which some of train are held out for those it lacks; and notes."""
    missing = [name for name in SPLITS if name not in found.given]
    fractions = {name: share for name, share in settings.fractions.items() if name in missing}
    if len(fractions) < len(missing):
        raise RequestError(f"{found.source} has no {found.unit}s for {' and '.join(missing)}.")
    if not fractions:
        return dict(rows), []
    train = rows["train"]
    strata, names, how = targets.strata(train)
    keys = [inputs.keys[row].tobytes().hex() for row in train.tolist()]
    if len(names) == 1 and len(set(keys)) <= len(fractions):
        raise RequestError(
            f"{found.source} has {counted(len(set(keys)), f'different {found.unit}')} in train, too few to hold out"
            f" {' and '.join(fractions)}.\nAdd some, or assign them to splits yourself."
        )
    divisible = np.arange(len(train))
    if targets.rare_groups_stay:
        divisible = _large_enough(strata, keys, 1 + len(fractions))
        if not len(divisible):
            raise RequestError(
                f"{found.source} has no group{how} of {1 + len(fractions)} different {found.unit}s, too few to hold out"
                f" {' and '.join(fractions)}.\nAdd some, or assign them to splits yourself."
            )
    groups, labels = np.unique(strata[divisible], return_inverse=True)
    held = hold_out(
        labels=labels,
        keys=[keys[row] for row in divisible.tolist()],
        fractions=fractions,
        seed=settings.seed,
        class_names=[names[group] for group in groups.tolist()],
    )
    stays = np.setdiff1d(np.arange(len(train)), divisible)
    chosen = {name: divisible[of] for name, of in held.items()}
    chosen["train"] = np.sort(np.concatenate([chosen["train"], stays]))
    notes = [
        f"{name}: {counted(len(of), found.unit)} held out of train{how} (split_seed {settings.seed})"
        for name, of in chosen.items()
        if name != "train"
    ]
    if len(stays):
        notes.append(f"train keeps {counted(len(stays), found.unit)} of a group too small to hold out")
    return {**rows, **{name: train[of] for name, of in chosen.items()}}, notes


def _large_enough(strata: np.ndarray, keys: Sequence[str], needed: int) -> np.ndarray:
    """(M,) groups -> the places of the examples whose group has so many different keys."""
    enough = [
        group
        for group in np.unique(strata).tolist()
        if len({keys[row] for row in np.flatnonzero(strata == group).tolist()}) >= needed
    ]
    return np.flatnonzero(np.isin(strata, enough))
