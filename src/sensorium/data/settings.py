"""Settings that datasets of every modality share. A dataset inherits the groups that it takes and adds its own fields.

    @dataclass(frozen=True, kw_only=True)
    class Photos(ImageFileSettings):
        root: str | None

        def load(self, *, on_bad): ...

Every group checks its own fields when the object is made, in `check`. Defaults are in the yaml files alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, get_args

from sensorium.data.duplicates import OnConflict
from sensorium.errors import RequestError, unknown


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The base of all groups. published: the splits are the publisher's, and what is in two of them is known: it is
    dropped from training with a note, where the user's own data is rejected (docs/decisions/0035).
    """

    published: ClassVar[bool] = False

    def __post_init__(self) -> None:
        self.check()

    def check(self) -> None:
        """Raises RequestError for a field that cannot be; a group that overrides it calls super().check() first."""

    @property
    def fractions(self) -> Mapping[str, float]:
        """Shares of train that are held out for the splits that a source does not give; none where it gives all."""
        return {}

    @property
    def seed(self) -> int:
        """Of everything that is drawn from the examples: which are held out, which are looked at."""
        return 0

    @property
    def conflicts(self) -> OnConflict:
        """What becomes of the same content with several targets within a split."""
        return "drop"


@dataclass(frozen=True, kw_only=True)
class HoldOutVal(Settings):
    """val_fraction: share of train held out for validation. split_seed: which examples."""

    val_fraction: float
    split_seed: int

    def check(self) -> None:
        super().check()
        check_fractions(val_fraction=self.val_fraction)

    @property
    def fractions(self) -> Mapping[str, float]:
        return {"val": self.val_fraction}

    @property
    def seed(self) -> int:
        return self.split_seed


@dataclass(frozen=True, kw_only=True)
class HoldOut(HoldOutVal):
    """test_fraction: share of train held out for testing."""

    test_fraction: float

    def check(self) -> None:
        super().check()
        check_fractions(test_fraction=self.test_fraction)

    @property
    def fractions(self) -> Mapping[str, float]:
        return {"test": self.test_fraction, "val": self.val_fraction}


@dataclass(frozen=True, kw_only=True)
class ConflictSettings(Settings):
    """on_conflict: what becomes of the same content with several targets within a split: "drop" makes every copy a
    problem, "majority" keeps the copies with the most frequent target, "first" those with the target of the first.
    """

    on_conflict: OnConflict

    def check(self) -> None:
        super().check()
        if self.on_conflict not in get_args(OnConflict):
            raise unknown("on_conflict", str(self.on_conflict), get_args(OnConflict))

    @property
    def conflicts(self) -> OnConflict:
        return self.on_conflict


def check_fractions(**fractions: float) -> None:
    """A RequestError for a share of the data that would leave a split empty."""
    for key, value in fractions.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1:
            raise RequestError(
                f"dataset.{key}={value} leaves a split empty; give a number between 0 and 1, such as 0.1."
            )


def check_counts(**counts: int) -> None:
    """A RequestError for a setting that counts examples and is below 1."""
    for key, value in counts.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise RequestError(f"dataset.{key}={value}: give a whole number, 1 or more.")
