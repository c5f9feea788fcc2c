"""A folder of recordings with one folder for each word or class, such as spoken commands."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sensorium.audio.read import list_sounds
from sensorium.data.audio.listed import Recordings
from sensorium.data.audio.listening import Cache
from sensorium.data.audio.settings import SoundSettings
from sensorium.data.base import Data, OnBad, Problem, counted, first_problem
from sensorium.data.folders import inner_folders, part_folders
from sensorium.data.io.paths import existing
from sensorium.errors import RequestError
from sensorium.files import visible
from sensorium.suffixes import AUDIO_SUFFIXES

_NOISE = "_background_noise_"  # long recordings of Speech Commands to mix others with


class SpeechFolder:
    """`root/train/LABEL/*`, with `val` (or `valid`, `validation`, `dev`) and `test` beside train where there are any;
    or `root/LABEL/*`. Parts that are not there are held out of train. A folder _background_noise_ is no label.
    """

    task = "classification"

    def __init__(
        self,
        *,
        root: str | None,
        sample_rate: int | None,
        features: Mapping[str, Any],
        cache: Cache,
        min_seconds: float | None,
        max_seconds: float | None,
        test_fraction: float,
        val_fraction: float,
        split_seed: int,
    ) -> None:
        self._root = root
        self._settings = SoundSettings(
            sample_rate=sample_rate,
            features=features,
            cache=cache,
            min_seconds=min_seconds,
            max_seconds=max_seconds,
            test_fraction=test_fraction,
            val_fraction=val_fraction,
            split_seed=split_seed,
        )

    def load(self, *, on_bad: OnBad) -> Data:
        root = existing("root", self._root, what="folder")
        found = Recordings(root)
        expected = f"Expected: {root}/LABEL/NAME.wav or {root}/train/LABEL/NAME.wav."
        folders, found.notes = part_folders(root, expected=expected)
        for part, folder in folders.items():
            for label in inner_folders(folder):
                _list_label(found, label, part)
            found.problems += [Problem(str(path), "recording outside of any label's folder") for path in _loose(folder)]
        if not len(found):
            first = first_problem(found.problems)
            raise RequestError(f"dataset.root={root} holds no recording in a label's folder.{first}\n{expected}")
        return self._settings.make(found, on_bad)


def _list_label(found: Recordings, folder: Path, part: str) -> None:
    sounds = list_sounds(folder)
    if folder.name == _NOISE:
        found.notes.append(f"{folder}: {counted(len(sounds), 'recording')} left aside, for they have no label")
        return
    if not sounds:
        found.problems.append(Problem(str(folder), "label's folder without recordings"))
    for path in sounds:
        found.add(path, text=folder.name, part=part)


def _loose(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in AUDIO_SUFFIXES and visible(path.name) and path.is_file()
    )
