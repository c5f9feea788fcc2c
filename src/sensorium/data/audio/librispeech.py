"""LibriSpeech: a thousand hours of read English books, 16 kHz, from which parts are chosen.

V. Panayotov, G. Chen, D. Povey and S. Khudanpur, "Librispeech: an ASR corpus based on public domain audio books", 2015.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from torchaudio.datasets import LIBRISPEECH

from sensorium.data.audio.listed import Recordings
from sensorium.data.audio.published import published
from sensorium.data.audio.settings import SpeechSettings
from sensorium.data.base import Data, OnBad, Problem
from sensorium.errors import RequestError, unknown

_SUBSETS = (
    *("train-clean-100", "train-clean-360", "train-other-500"),
    *("dev-clean", "dev-other", "test-clean", "test-other"),
)


class Librispeech:
    """root: the folder LibriSpeech of the published archives, or the one around it.

    train, val, test: subsets that make each part, all different. Which file says what is torchaudio's knowledge.
    """

    task = "recognition"

    def __init__(
        self,
        *,
        root: str | None,
        train: str | Sequence[str],
        val: str | Sequence[str],
        test: str | Sequence[str],
        sample_rate: int | None,
        features: Mapping[str, Any],
        cache: Literal["samples", "features", "none"],
        min_seconds: float | None,
        max_seconds: float | None,
        tokenizer: str | Mapping[str, Any],
        vocab_size: int,
        min_count: int,
        lowercase: bool,
        language_model: int,
    ) -> None:
        self._root = root
        given = {"train": train, "val": val, "test": test}
        self._subsets = {part: [names] if isinstance(names, str) else list(names) for part, names in given.items()}
        chosen = [name for names in self._subsets.values() for name in names]
        for name in chosen:
            if name not in _SUBSETS:
                raise unknown("subset of LibriSpeech", str(name), _SUBSETS)
        twice = [name for name in _SUBSETS if chosen.count(name) > 1]
        if twice or not all(self._subsets.values()):
            what = f"dataset has {twice[0]} twice" if twice else "a part has no subset"
            raise RequestError(f"{what}: dataset.train, val and test need different ones, at least one each.")
        self._settings = SpeechSettings(
            sample_rate=sample_rate,
            features=features,
            cache=cache,
            min_seconds=min_seconds,
            max_seconds=max_seconds,
            tokenizer=tokenizer,
            vocab_size=vocab_size,
            min_count=min_count,
            lowercase=lowercase,
            language_model=language_model,
        )

    def load(self, *, on_bad: OnBad) -> Data:
        names = [name for names in self._subsets.values() for name in names]
        archives = f"{', '.join(f'{name}.tar.gz' for name in names)} (openslr.org/12), unpacked,"
        folder = published("librispeech", self._root, inner=("LibriSpeech",), files=archives, has=names)
        found = Recordings(folder)
        for part, subsets in self._subsets.items():
            found.given.add(part)
            for subset in subsets:
                _list_subset(found, folder, subset, part)
        return self._settings.make(found, on_bad)


def _list_subset(found: Recordings, folder: Path, subset: str, part: str) -> None:
    source = LIBRISPEECH(folder.parent, subset, folder_in_archive=folder.name, download=False)
    if not len(source):
        found.problems.append(Problem(str(folder / subset), "no SPEAKER/CHAPTER/*.flac in it"))
    for n, name in enumerate(source._walker):
        try:
            path, _, text, speaker, _, _ = source.get_metadata(n)
        except (OSError, ValueError):
            found.problems.append(Problem(f"{folder / subset}: {name}.flac", "no transcript in its *.trans.txt"))
            continue
        found.add(folder / path, text=text, part=part, speaker=str(speaker))
