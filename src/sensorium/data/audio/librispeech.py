"""LibriSpeech: a thousand hours of read English books, 16 kHz, of which subsets are chosen.

V. Panayotov, G. Chen, D. Povey and S. Khudanpur, "Librispeech: an ASR corpus based on public domain audio books", 2015.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from torchaudio.datasets import LIBRISPEECH

from sensorium.data.audio.audio_settings import SpeechSettings
from sensorium.data.audio.listing import AudioListing
from sensorium.data.audio.recordings import transcribed
from sensorium.data.base import Data, OnBad, Problem
from sensorium.data.locate import published
from sensorium.errors import RequestError, unknown

_SUBSETS = (
    *("train-clean-100", "train-clean-360", "train-other-500"),
    *("dev-clean", "dev-other", "test-clean", "test-other"),
)


@dataclass(frozen=True, kw_only=True)
class Librispeech(SpeechSettings):
    """root: the folder LibriSpeech of the published archives, or the one around it.

    train, val, test: subsets that make each part, all different. Which file says what is torchaudio's knowledge.
    """

    task = "recognition"
    published: ClassVar[bool] = True

    root: str | None
    train: str | Sequence[str]
    val: str | Sequence[str]
    test: str | Sequence[str]

    def check(self) -> None:
        super().check()
        chosen = [name for names in self._subsets().values() for name in names]
        for name in chosen:
            if name not in _SUBSETS:
                raise unknown("subset of LibriSpeech", str(name), _SUBSETS)
        twice = [name for name in _SUBSETS if chosen.count(name) > 1]
        if twice or not all(self._subsets().values()):
            what = f"dataset has {twice[0]} twice" if twice else "a split has no subset"
            raise RequestError(f"{what}: dataset.train, val and test need different ones, at least one each.")

    def _subsets(self) -> dict[str, list[str]]:
        given = {"train": self.train, "val": self.val, "test": self.test}
        return {split: [names] if isinstance(names, str) else list(names) for split, names in given.items()}

    def load(self, *, on_bad: OnBad) -> Data:
        names = [name for names in self._subsets().values() for name in names]
        archives = f"{', '.join(f'{name}.tar.gz' for name in names)} (openslr.org/12), unpacked,"
        folder = published("librispeech", self.root, inner=("LibriSpeech",), files=archives, has=names)
        found = AudioListing(folder)
        for split, subsets in self._subsets().items():
            found.given.add(split)
            for subset in subsets:
                _list_subset(found, folder, subset, split)
        return transcribed(found, self, on_bad=on_bad)


def _list_subset(found: AudioListing, folder: Path, subset: str, split: str) -> None:
    source = LIBRISPEECH(folder.parent, subset, folder_in_archive=folder.name, download=False)
    if not len(source):
        found.problems.append(Problem(str(folder / subset), "no SPEAKER/CHAPTER/*.flac in it"))
    for n, name in enumerate(source._walker):
        try:
            path, _, text, speaker, _, _ = source.get_metadata(n)
        except (OSError, ValueError):
            found.problems.append(Problem(f"{folder / subset}: {name}.flac", "no transcript in its *.trans.txt"))
            continue
        found.add(folder / path, text, split=split, speaker=str(speaker))
