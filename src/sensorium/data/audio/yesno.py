"""YesNo: one man who says yes and no in Hebrew, eight words in each of 60 files of 8 kHz.

The files are named by what he says. openslr.org/1.
"""

import re
from collections.abc import Mapping
from typing import Any, Literal

from sensorium.data.audio.listed import Recordings
from sensorium.data.audio.published import published
from sensorium.data.audio.settings import SpeechSettings
from sensorium.data.base import Data, OnBad, Problem
from sensorium.errors import RequestError

_NAME = re.compile(r"[01](_[01])*")
_WORDS = {"0": "no", "1": "yes"}


class YesNo:
    """root: the folder waves_yesno of the published archive, or the one around it.

    The layout is that of `torchaudio.datasets.YESNO`, which itself cannot read without more packages.
    """

    task = "recognition"

    def __init__(
        self,
        *,
        root: str | None,
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
        val_fraction: float,
        test_fraction: float,
        split_seed: int,
    ) -> None:
        self._root = root
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
            val_fraction=val_fraction,
            test_fraction=test_fraction,
            split_seed=split_seed,
        )

    def load(self, *, on_bad: OnBad) -> Data:
        files = "waves_yesno.tar.gz (openslr.org/1), unpacked,"
        folder = published("yesno", self._root, inner=("waves_yesno",), files=files)
        found = Recordings(folder)
        for path in sorted(folder.glob("*.wav")):
            if _NAME.fullmatch(path.stem):
                found.add(path, text=" ".join(_WORDS[word] for word in path.stem.split("_")))
            else:
                found.problems.append(Problem(str(path), "not named by what is said, such as 0_1_1.wav"))
        if not found.listed:
            raise RequestError(f"{folder} has no files such as 0_1_1_0_0_1_0_1.wav.\nPut {files} there.")
        return self._settings.make(found, on_bad)
