"""Data of recordings: with a class each, or with a transcript."""

from collections.abc import Sequence

from sensorium.data.audio.audio_settings import AudioSettings, SpeechSettings
from sensorium.data.audio.inputs import AudioInputs
from sensorium.data.audio.listing import AudioListing
from sensorium.data.audio.splits import AudioSplit, SpeechSplit
from sensorium.data.audio.transcripts import TranscriptTargets
from sensorium.data.base import Data, OnBad
from sensorium.data.pipeline import prepare
from sensorium.data.targets.classes import ClassTargets
from sensorium.specs import AudioClassificationSpec, SpeechRecognitionSpec


def audio_classes(
    found: AudioListing, settings: AudioSettings, *, on_bad: OnBad, class_names: Sequence[str] | None = None
) -> Data:
    """Data for audio classification. class_names: in their order, where the source knows it."""
    return prepare(
        found,
        AudioInputs(found, settings),
        ClassTargets(found, class_names=class_names),
        spec=AudioClassificationSpec,
        split=AudioSplit,
        settings=settings,
        on_bad=on_bad,
    )


def transcribed(found: AudioListing, settings: SpeechSettings, *, on_bad: OnBad) -> Data:
    """Data for speech recognition."""
    return prepare(
        found,
        AudioInputs(found, settings),
        TranscriptTargets(found, settings),
        spec=SpeechRecognitionSpec,
        split=SpeechSplit,
        settings=settings,
        on_bad=on_bad,
    )
