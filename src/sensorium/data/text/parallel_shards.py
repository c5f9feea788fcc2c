"""Sentences and their translations in shards: tar archives as webdataset reads them, a pair a sample."""

from dataclasses import dataclass

from sensorium.data.base import Data, OnBad
from sensorium.data.settings import HoldOut
from sensorium.data.shards.fields import SOURCE_FIELDS, TARGET_FIELDS
from sensorium.data.shards.samples import ShardSettings
from sensorium.data.text.pairs import ShardPairs, translated
from sensorium.data.text.text_settings import PairSettings


@dataclass(frozen=True, kw_only=True)
class ParallelShards(ShardSettings, PairSettings, HoldOut):
    """Samples KEY.source.txt and KEY.target.txt, its translation."""

    task = "translation"

    def load(self, *, on_bad: OnBad) -> Data:
        shards = self.shards(keep=(*SOURCE_FIELDS, *TARGET_FIELDS))
        found = ShardPairs(shards)
        for source, target in shards.samples(found, ("source", SOURCE_FIELDS), ("translation", TARGET_FIELDS)):
            sentence, translation = found.text(source), found.text(target)
            if sentence is not None and translation is not None:
                found.take_pair(source, sentence, translation)
        found.need("Expected: samples of KEY.source.txt and KEY.target.txt in each shard.")
        return translated(found, self, on_bad=on_bad)
