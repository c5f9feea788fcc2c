"""What a search may choose from: the overrides of a command line that stand for several values, in Hydra's grammar.

No Optuna: a wrong request is answered before it is imported.
"""

import itertools
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Glob, IntervalSweep, Override, RangeSweep

from sensorium.errors import RequestError, listing, nearest

Value = str | int | float  # a choice as it is written in an override, or a number
Params = Mapping[str, Value]
REPEATS = ("seed", "dataset.fold")  # what differs between repeats of the same setting
_LOG = "log"
_MOST_REPEATS = 100
_MOST_CHOICES = 10_000
_FUNCTIONS = ("log", "loguniform", "uniform", "quniform", "randint", "normal", "interval", "range", "choice", "tag")
_CALL = re.compile(r"(\w+)\(.*\)")
_UNVARYING = ("run_root", "force", "resume", "resume_from_start")  # keys that change no result
_DIGITS = (4, 6, 9, 12, 17)


@dataclass(frozen=True)
class Choice:
    """A key with a value among several. values: as they are written in an override."""

    key: str
    values: tuple[str, ...]

    def text(self, value: Value) -> str:
        """The value in an override."""
        return str(value)


@dataclass(frozen=True)
class Number:
    """A key with a number between two, both included. step: None where every number between them will do."""

    key: str
    low: float
    high: float
    step: float | None = None
    log: bool = False
    whole: bool = False

    @property
    def values(self) -> tuple[float, ...]:
        """All of them, of a number with a step."""
        count = round((self.high - self.low) / (self.step or 1)) + 1
        return tuple(self.low + place * (self.step or 1) for place in range(count))

    def text(self, value: Value) -> str:
        """The number in an override."""
        return str(int(value)) if self.whole else repr(float(value)) if self.step is None else f"{value:.12g}"

    def rounded(self, value: float) -> float:
        """The number with as few digits as tell it from its neighbors: a command line is to be read and typed."""
        if self.whole or self.step is not None:
            return value
        smallest = value if self.log else self.high - self.low
        for digits in _DIGITS:
            found = float(f"{value:.{digits}g}")
            if abs(found - value) <= abs(smallest) / 1000 and self.low <= found <= self.high:
                return found
        return value


Key = Choice | Number


@dataclass(frozen=True)
class Space:
    """keys: what varies. fixed: the other overrides. repeats: the overrides of each repeat of a setting, such as
    [["seed=1"], ["seed=2"]]; [[]] for one. written: what stands before the = of a key, such as +model.width.
    """

    keys: tuple[Key, ...]
    fixed: tuple[str, ...]
    repeats: tuple[tuple[str, ...], ...]
    written: Mapping[str, str]

    def overrides(self, params: Params) -> list[str]:
        """A setting as overrides: what varies."""
        return [f"{self.written[key.key]}={key.text(params[key.key])}" for key in self.keys]

    def texts(self, params: Params) -> dict[str, str]:
        """A setting as it is shown: the value of each key."""
        return {key.key: _short(key, params[key.key]) for key in self.keys}

    def rounded(self, params: Params) -> dict[str, Value]:
        """The setting with numbers of few digits."""
        found = dict(params)
        for key in self.keys:
            if isinstance(key, Number):
                found[key.key] = key.rounded(params[key.key])  # type: ignore[arg-type]  # of a Number it is one
        return found

    def count(self) -> int | None:
        """How many settings there are; None where they cannot be counted."""
        if any(isinstance(key, Number) and key.step is None for key in self.keys):
            return None
        return math.prod(len(key.values) for key in self.keys)

    def point(self, number: int) -> dict[str, Value]:
        """A setting of the grid by its number from 0: the last key changes fastest, as in Hydra's sweeps."""
        found: dict[str, Value] = {}
        for key in reversed(self.keys):
            number, place = divmod(number, len(key.values))
            found[key.key] = key.values[place]
        return {key.key: found[key.key] for key in self.keys}


def _is_real(key: Key) -> bool:
    return isinstance(key, Number) and not key.whole


def _short(key: Key, value: Value) -> str:
    return f"{value:.6g}" if _is_real(key) else key.text(value)


def parse(overrides: Sequence[str]) -> Space:
    """The space of a command line's overrides. Raises RequestError where nothing varies, and for what cannot be drawn
    from; HydraException for what is not Hydra's grammar.
    """
    parsed = list(zip(overrides, OverridesParser.create().parse_overrides(list(overrides)), strict=True))
    varying = [(text, item) for text, item in parsed if item.is_sweep_override()]
    fixed = tuple(text for text, item in parsed if not item.is_sweep_override())
    _check_once(item for _, item in parsed if not item.is_delete())
    keys: list[Key] = []
    repeats: list[Key] = []
    for _, item in varying:
        (repeats if item.key_or_group in REPEATS else keys).append(_key(item))
    for text in fixed:
        _check_meant_to_vary(text)
    together = _combined(repeats)
    if not keys and repeats:
        raise RequestError(
            f"{listing([key.key for key in repeats])} only repeats each setting, and a search chooses something, such"
            " as model=lenet,resnet8.\nWithout a search, -m seed=1,2,3 repeats one setting."
        )
    if not keys:
        raise RequestError(
            "A search needs something that varies: a key with several values, such as model=lenet,resnet8 or\n"
            "'lr=tag(log,interval(1e-4,1e-1))'. Without a search, -m seed=1,2,3 repeats one setting."
        )
    written = {item.key_or_group: text.partition("=")[0] for text, item in varying}
    return Space(tuple(keys), fixed, tuple(together), written)


def _check_meant_to_vary(text: str) -> None:
    """Rejects what is written as several values and is none in Hydra's grammar."""
    key, _, value = text.partition("=")
    typed = re.sub(r"[\\'\"]", "", value)  # what is no function of Hydra's comes quoted
    lacking = typed.count("(") - typed.count(")")
    if lacking > 0 and typed.partition("(")[0] in _FUNCTIONS:
        raise RequestError(f"{key}={typed} lacks a closing parenthesis: '{key}={typed}{')' * lacking}'.")
    found = _CALL.fullmatch(typed)
    if found and (found[1] in _FUNCTIONS or nearest(found[1], _FUNCTIONS)):
        raise RequestError(
            f"{key}={found[0]} is no list of values. Write {key}=interval(0.1,0.9), {key}=range(1,9), {key}=a,b,c,\n"
            f"or on a logarithmic scale '{key}=tag(log,interval(1e-4,1e-1))'."
        )


def _check_once(items: Iterator[Override]) -> None:
    seen = set()
    for item in items:
        if item.get_key_element() in seen:
            raise RequestError(f"{item.key_or_group} is given twice: {item.input_line}. Give it once.")
        seen.add(item.get_key_element())


def _combined(repeats: Sequence[Key]) -> list[tuple[str, ...]]:
    """The overrides of each repeat: every seed with every fold."""
    for key in repeats:
        if isinstance(key, Number) and key.step is None:
            raise RequestError(
                f"{key.key} repeats a setting and is not searched. Give the values: {key.key}=1,2,3 or range(1,4)."
            )
    if math.prod(len(key.values) for key in repeats) > _MOST_REPEATS:
        raise RequestError(f"A setting is repeated at most {_MOST_REPEATS} times.")
    each = [[f"{key.key}={key.text(value)}" for value in key.values] for key in repeats]
    return list(itertools.product(*each))


def _key(item: Override) -> Key:
    value, key = item.value(), item.key_or_group
    line = item.input_line or key
    if key in _UNVARYING:
        raise RequestError(f"{line}: {key} changes no result, so it is not searched. Give it one value.")
    if isinstance(value, Glob) or not isinstance(value, ChoiceSweep | RangeSweep | IntervalSweep):
        raise RequestError(f"{line} cannot be searched. Write the names: {key}=a,b,c.")
    for tag in value.tags:
        if tag != _LOG:
            hint = f" Did you mean {_LOG}?" if nearest(tag, [_LOG]) else ""
            raise RequestError(f"{line}: there is no tag {tag!r}.{hint} Allowed: {_LOG}.")
    if isinstance(value, IntervalSweep):
        return _interval(line, key, value)
    if value.tags:
        raise RequestError(f"{line}: log is the scale of an interval, such as {key}=tag(log,interval(1e-4,1e-1)).")
    if isinstance(value, RangeSweep):
        return _range(line, key, value)
    texts = tuple(sorted(item.sweep_string_iterator()) if value.shuffle else item.sweep_string_iterator())
    twice = [text for place, text in enumerate(texts) if text in texts[:place]]
    if twice:
        raise RequestError(f"{line} has {twice[0]} twice. Give each value once.")
    return Choice(key, _several(line, key, texts))


def _several(line: str, key: str, texts: tuple[str, ...]) -> tuple[str, ...]:
    if len(texts) == 1:
        raise RequestError(f"{line} is one value, and a search needs several. Write {key}={texts[0]} to fix it.")
    return texts


def _range(line: str, key: str, value: RangeSweep) -> Number | Choice:
    start, stop, step = value.start, value.stop, value.step
    if start is None or stop is None or not step:
        raise RequestError(f"{line} is no range: range(START,STOP,STEP), STOP excluded.")
    if not all(map(math.isfinite, (start, stop, step))):
        raise RequestError(f"{line} needs finite ends: range(START,STOP,STEP), STOP excluded.")
    size = (stop - start) / step
    count = math.ceil(round(size, 9)) if abs(size) < 1e15 else _MOST_CHOICES + 1
    if count > _MOST_CHOICES:
        shown = f"{count:,}" if abs(size) < 1e15 else f"{size:.0e}"
        raise RequestError(f"{line} has {shown} values; a range has at most {_MOST_CHOICES:,}. Take an interval.")
    if count < 2:
        what = "no value" if count < 1 else "one value"
        raise RequestError(f"{line} has {what}, and a search needs several: range(START,STOP,STEP), STOP excluded.")
    ends = (start, start + (count - 1) * step)
    whole = all(isinstance(number, int) for number in (start, stop, step))
    return Number(key, min(ends), max(ends), step=abs(step), whole=whole)


def _interval(line: str, key: str, value: IntervalSweep) -> Number:
    low, high = value.start, value.end
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)):
        raise RequestError(f"{line} needs two finite ends: interval(LOW,HIGH).")
    if low >= high:
        what = "is one value" if low == high else "has its upper bound below the lower one"
        raise RequestError(f"{line} {what}. Allowed: interval(LOW,HIGH) with LOW below HIGH.")
    log = _LOG in value.tags
    if log and low <= 0:
        raise RequestError(f"{line}: a log scale has no {low:g}. Begin above 0, such as interval({high / 1000:g},...).")
    whole = isinstance(low, int) and isinstance(high, int)
    return Number(key, low, high, log=log, whole=whole)


def check_grid(space: Space) -> None:
    """Rejects a space whose settings cannot be counted."""
    for key in space.keys:
        if isinstance(key, Number) and key.step is None:
            raise RequestError(
                f"search=grid tries every value, and {key.key} is an interval. "
                f"Give values ({key.key}=a,b,c or range), or take search=random."
            )


def check_cma(space: Space) -> None:
    """Rejects a space of fewer than two numbers, in which CMA-ES has no covariance to adapt."""
    names = [key.key for key in space.keys if isinstance(key, Number)]
    if len(names) < 2:
        found = f"only {listing(names)} is one" if names else "there is none"
        raise RequestError(
            f"search=cma needs two keys or more that are numbers (interval or range), and {found}. Take search=tpe."
        )
