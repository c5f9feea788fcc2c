"""A folder of recordings with one folder for each class, such as spoken commands."""

from dataclasses import dataclass

from sensorium.data.audio.audio_settings import AudioSettings
from sensorium.data.audio.listing import AudioListing
from sensorium.data.audio.recordings import audio_classes
from sensorium.data.base import Data, OnBad
from sensorium.data.folders import class_files
from sensorium.data.io.paths import existing
from sensorium.data.settings import ConflictSettings, HoldOut
from sensorium.suffixes import AUDIO_SUFFIXES

_NOISE = "_background_noise_"  # long recordings of Speech Commands to mix others with


@dataclass(frozen=True, kw_only=True)
class SpeechFolder(AudioSettings, HoldOut, ConflictSettings):
    """`root/train/CLASS/*`, with val and test beside train where there are any; or `root/CLASS/*`. Splits that are not
    there are held out of train. A folder _background_noise_ is no class.
    """

    task = "classification"

    root: str | None

    def load(self, *, on_bad: OnBad) -> Data:
        root = existing("root", self.root, what="folder")
        found = AudioListing(root)
        expected = f"Expected: {root}/CLASS/NAME.wav or {root}/train/CLASS/NAME.wav."
        files = class_files(found, root, suffixes=AUDIO_SUFFIXES, expected=expected, unlabeled=(_NOISE,))
        for path, label, split in files:
            found.add(path, label, split=split)
        found.need(expected)
        return audio_classes(found, self, on_bad=on_bad)
