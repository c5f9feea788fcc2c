"""Recordings in shards: tar archives as webdataset reads them, a recording and a class or a transcript a sample."""

from dataclasses import dataclass

from sensorium.data.audio.audio_settings import AudioSettings, SpeechSettings
from sensorium.data.audio.listing import ShardAudio
from sensorium.data.audio.recordings import audio_classes, transcribed
from sensorium.data.base import Data, OnBad
from sensorium.data.settings import ConflictSettings, HoldOut
from sensorium.data.shards.fields import AUDIO_FIELDS, CLASS_FIELDS, TEXT_FIELDS
from sensorium.data.shards.samples import Labels, ShardSettings


@dataclass(frozen=True, kw_only=True)
class AudioShards(ShardSettings, AudioSettings, HoldOut, ConflictSettings):
    """Samples KEY.wav (or .flac ...) and KEY.cls, which holds the number of a class in classes.txt beside the shards;
    without that file, what it holds is the class.
    """

    task = "classification"

    def load(self, *, on_bad: OnBad) -> Data:
        shards = self.shards(keep=CLASS_FIELDS)
        names = shards.names()
        found, labels = ShardAudio(shards), Labels(names)
        for audio, label in shards.samples(found, ("recording", AUDIO_FIELDS), ("label", CLASS_FIELDS)):
            found.labeled(audio, label, labels)
        found.need("Expected: samples of KEY.wav (or .flac ...) and KEY.cls in each shard.")
        return audio_classes(found, self, on_bad=on_bad, class_names=names)


@dataclass(frozen=True, kw_only=True)
class SpeechShards(ShardSettings, SpeechSettings, HoldOut):
    """Samples KEY.wav (or .flac ...) and KEY.txt, its transcript."""

    task = "recognition"

    def load(self, *, on_bad: OnBad) -> Data:
        shards = self.shards(keep=TEXT_FIELDS)
        found = ShardAudio(shards)
        for audio, transcript in shards.samples(found, ("recording", AUDIO_FIELDS), ("transcript", TEXT_FIELDS)):
            text = found.text(transcript)
            if text is not None:
                found.take(audio, text)
        found.need("Expected: samples of KEY.wav (or .flac ...) and KEY.txt in each shard.")
        return transcribed(found, self, on_bad=on_bad)
