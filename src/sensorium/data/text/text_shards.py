"""Texts in shards: tar archives as webdataset reads them, with a class or numbers each, or as running text."""

from dataclasses import dataclass

from sensorium.data.base import SPLITS, Data, OnBad
from sensorium.data.settings import ConflictSettings, HoldOut
from sensorium.data.shards.fields import CLASS_FIELDS, RECORD_FIELDS, TEXT_FIELDS
from sensorium.data.shards.records import NumberShardSettings, numbers_in
from sensorium.data.shards.samples import Labels, Shards, ShardSettings
from sensorium.data.text.labeled import ShardTexts, text_classes, text_numbers
from sensorium.data.text.running import RunningText, make_language_data
from sensorium.data.text.text_file import RunningTextHoldOut
from sensorium.data.text.text_settings import TextSettings
from sensorium.errors import RequestError


@dataclass(frozen=True, kw_only=True)
class TextShards(ShardSettings, TextSettings, HoldOut, ConflictSettings):
    """Samples KEY.txt and KEY.cls, which holds the number of a class in classes.txt beside the shards; without that
    file, what it holds is the class.
    """

    task = "classification"

    def load(self, *, on_bad: OnBad) -> Data:
        shards = self.shards(keep=(*TEXT_FIELDS, *CLASS_FIELDS))
        names = shards.names()
        found, labels = ShardTexts(shards), Labels(names)
        for text, label in shards.samples(found, ("text", TEXT_FIELDS), ("label", CLASS_FIELDS)):
            target, content = found.label(label, labels), found.text(text)
            if target is not None and content is not None:
                found.take_text(text, content, target)
        found.need("Expected: samples of KEY.txt and KEY.cls in each shard.")
        return text_classes(found, self, on_bad=on_bad, class_names=names)


@dataclass(frozen=True, kw_only=True)
class TextRegressionShards(ShardSettings, TextSettings, NumberShardSettings, HoldOut, ConflictSettings):
    """Samples KEY.txt and KEY.json, an object with numbers by name."""

    task = "regression"

    def load(self, *, on_bad: OnBad) -> Data:
        shards = self.shards(keep=(*TEXT_FIELDS, *RECORD_FIELDS))
        names = self.target_names(shards)
        found = ShardTexts(shards)
        for text, record in shards.samples(found, ("text", TEXT_FIELDS), ("numbers", RECORD_FIELDS)):
            numbers, content = numbers_in(found, record, names), found.text(text)
            if numbers is not None and content is not None:
                found.take_text(text, content, numbers)
        found.need('Expected: samples of KEY.txt and KEY.json, such as {"price": 41.5}, in each shard.')
        return text_numbers(found, self, names, on_bad=on_bad)


@dataclass(frozen=True, kw_only=True)
class DocumentShards(ShardSettings, RunningTextHoldOut):
    """Samples KEY.txt, a document each, as running text in the order of the shards. Shards whose names say val and test
    are these splits; where none does, the end of the text is held out.
    """

    task = "language_modelling"

    def load(self, *, on_bad: OnBad) -> Data:
        shards = self.shards(keep=TEXT_FIELDS)
        text = RunningText(shards.source)
        found = ShardTexts(shards)
        members = [member for (member,) in shards.samples(found, ("text", TEXT_FIELDS))]
        begins = []
        for split in SPLITS:
            begins.append(len(text))
            for member in members:
                if (shards.split_of(member) or "train") == split:
                    content = found.text(member)
                    if content is not None:
                        text.add_document(shards.index.name(member), content)
        text.problems += found.problems
        text.notes += found.notes
        if not len(text):
            first = f" The first problem: {text.problems[0]}" if text.problems else ""
            raise RequestError(f"{shards.source} holds no text.{first}\nExpected: samples of KEY.txt in each shard.")
        given = _given(shards)
        if not given:
            text.notes.append("val and test: the end of the text, in order")
        return make_language_data(text, self, cuts=begins[1:] if given else self.cuts, on_bad=on_bad)


def _given(shards: Shards) -> bool:
    """Whether val and test are shards of their own. Raises RequestError where one of them is and the other is not."""
    there = {shard.split or "train" for shard in shards.files.shards}
    if there == {"train"}:
        return False
    missing = [split for split in SPLITS if split not in there]
    if missing:
        raise RequestError(
            f"{shards.source} has no shards of {' and '.join(missing)}. Give some whose names say val and test, or for"
            " neither of them: the end of the text is held out then."
        )
    return True
