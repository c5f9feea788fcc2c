"""YesNo: one speaker saying yes and no in Hebrew, eight words in each of 60 files of 8 kHz.

The files are named after the words. openslr.org/1.
"""

import re
from dataclasses import dataclass

from sensorium.data.audio.audio_settings import SpeechSettings
from sensorium.data.audio.listing import AudioListing
from sensorium.data.audio.recordings import transcribed
from sensorium.data.base import Data, OnBad, Problem
from sensorium.data.locate import published
from sensorium.data.settings import HoldOut
from sensorium.errors import RequestError

_NAME = re.compile(r"[01](_[01])*")
_WORDS = {"0": "no", "1": "yes"}


@dataclass(frozen=True, kw_only=True)
class YesNo(SpeechSettings, HoldOut):
    """root: the folder waves_yesno of the published archive, or the one around it.

    The layout is that of `torchaudio.datasets.YESNO`, which itself cannot read without more packages.
    """

    task = "recognition"

    root: str | None

    def load(self, *, on_bad: OnBad) -> Data:
        files = "waves_yesno.tar.gz (openslr.org/1), unpacked,"
        folder = published("yesno", self.root, inner=("waves_yesno",), files=files)
        found = AudioListing(folder)
        for path in sorted(folder.glob("*.wav")):
            if _NAME.fullmatch(path.stem):
                found.add(path, " ".join(_WORDS[word] for word in path.stem.split("_")))
            else:
                found.problems.append(Problem(str(path), "not named after its words, such as 0_1_1.wav"))
        if not len(found):
            raise RequestError(f"{folder} has no files such as 0_1_1_0_0_1_0_1.wav.\nPut {files} there.")
        return transcribed(found, self, on_bad=on_bad)
