"""What the JSON member of a sample says: tags, or numbers."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sensorium.data.settings import Settings
from sensorium.data.shards.fields import TAGS, TARGETS
from sensorium.data.shards.samples import FromShards, Shards, not_listed
from sensorium.data.targets.numbers import check_target_columns, read_targets
from sensorium.data.targets.tags import checked_tags
from sensorium.errors import RequestError, cut
from sensorium.files import json_value


@dataclass(frozen=True, kw_only=True)
class NumberShardSettings(Settings):
    """target_columns: the keys of the numbers to predict in KEY.json; None takes those that targets.txt beside the
    shards lists.
    """

    target_columns: Sequence[str] | None

    def check(self) -> None:
        super().check()
        if self.target_columns is not None:
            check_target_columns(self.target_columns)

    def target_names(self, shards: Shards) -> tuple[str, ...]:
        """Of the numbers, in their order. Raises RequestError where nothing says them."""
        names = shards.names(TARGETS) if self.target_columns is None else self.target_columns
        if names is None:
            raise RequestError(
                f"dataset.target_columns=null, and beside the shards of {shards.source} is no targets.txt.\nGive the"
                " keys of the numbers in KEY.json, such as dataset.target_columns=[age]."
            )
        return check_target_columns(names)


def record_in(found: FromShards, member: int) -> dict[str, Any] | None:
    """The object in a JSON member that is kept in the index; None, and a problem, where it is none."""
    content = found.text(member)
    if content is None:
        return None
    try:
        record = json_value(content)
    except ValueError as error:
        found.refuse(member, f"not JSON ({error})")
        return None
    if not isinstance(record, dict):
        found.refuse(member, f"JSON {cut(content)}, where an object {{...}} is needed")
        return None
    return record


def numbers_in(found: FromShards, member: int, names: Sequence[str]) -> tuple[float, ...] | None:
    """The numbers that a JSON member has under these keys; None, and a problem, where it lacks one."""
    record = record_in(found, member)
    if record is None:
        return None
    try:
        return read_targets(names, [_cell(record.get(name)) for name in names])
    except ValueError as error:
        found.refuse(member, error)
        return None


def tags_in(found: FromShards, member: int, names: Sequence[str] | None) -> tuple[str, ...] | None:
    """The tags that a JSON member lists; None, and a problem, where it lists none. names: those there are."""
    record = record_in(found, member)
    if record is None:
        return None
    try:
        return _tags(record, names)
    except ValueError as error:
        found.refuse(member, error)
        return None


def _tags(record: Mapping[str, Any], names: Sequence[str] | None) -> tuple[str, ...]:
    given = record.get(TAGS)
    if not isinstance(given, list) or not all(isinstance(tag, str) for tag in given):
        there = f"{TAGS} is {cut(json.dumps(given))}" if TAGS in record else f"no {TAGS}"
        raise ValueError(f'{there}; a list of names is needed, such as {{"{TAGS}": ["cat", "dog"]}}')
    tags = checked_tags(given, written=json.dumps(given))
    strange = next((tag for tag in tags if names is not None and tag not in names), None)
    if strange is not None:
        raise ValueError(f"tag {not_listed(strange, names or ())}")
    return tags


def _cell(value: Any) -> str:
    """A value of JSON as a cell of a table has it."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)
