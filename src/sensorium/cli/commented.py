"""The keys of a choice with their comments, read as text: those of its yaml and of the yamls that its defaults list
names, of which a later one counts, comment and all. No Hydra, so help is instant.
"""

import re

from sensorium.cli import configs
from sensorium.errors import RequestError, unknown


class _Key:
    """lines: the comments before it and its own, as they stand. inner: the keys of its section.

    No dataclass, whose import would take a tenth of the time that help takes.
    """

    def __init__(self, lines: list[str]) -> None:
        self.lines = lines
        self.inner: dict[str, _Key] = {}

    def shown(self) -> list[str]:
        return [*self.lines, *(line for key in self.inner.values() for line in key.shown())]


def lines_of(group: str, name: str) -> list[str]:
    """The lines of a choice's keys, its own first, but for those that are Hydra's."""
    found, own = _keys(group, name)
    ordered = {key: found[key] for key in (*own, *found)}
    return [line for key, lines in ordered.items() if not key.startswith("_") for line in lines.shown()]


def _keys(group: str, name: str, inside: tuple[str, ...] = ()) -> tuple[dict[str, _Key], dict[str, _Key]]:
    """All keys of a yaml, and those that it states itself. inside: the yamls that include it."""
    if name in inside:
        raise RequestError(f"{group}/{name}.yaml includes itself: {' -> '.join((*inside, name))}.")
    try:
        path = configs.path_of(group, name)
    except StopIteration:
        raise unknown(group, name, configs.options(group)) from None
    own = _parsed(path.read_text(encoding="utf-8"))
    listed = own.pop("defaults", _Key([]))
    found: dict[str, _Key] = {}
    for included in _included("\n".join(listed.lines)):
        _merge(found, _keys(group, included, (*inside, name))[0])
    _merge(found, own)
    return found, own


def _included(defaults: str) -> list[str]:
    """The names in a defaults list that are members of the same group."""
    text = re.sub(r"#.*", "", defaults).replace("defaults:", "")
    entries = [entry.strip().removeprefix("- ") for entry in re.split(r"[\[\],\n]", text)]
    return [entry for entry in entries if re.fullmatch(r"\w+", entry) and entry != "_self_"]


def _parsed(text: str) -> dict[str, _Key]:
    """The keys of a yaml by their indentation."""
    top = _Key([])
    above = [(-1, top)]  # the sections that the line is in, with their indentation
    comments: list[str] = []
    for line in text.splitlines():
        key = re.match(r"( *)(\w+):", line)
        if line.lstrip().startswith("#"):
            comments.append(line)
        elif key:
            while above[-1][0] >= len(key[1]):
                above.pop()
            found = above[-1][1].inner[key[2]] = _Key([*comments, line])
            above.append((len(key[1]), found))
            comments = []
        elif line.strip():  # a value continues
            above[-1][1].lines.append(line)
    return top.inner


def _merge(into: dict[str, _Key], later: dict[str, _Key]) -> None:
    for name, key in later.items():
        before = into.get(name)
        if before is not None and before.inner and key.inner:
            before.lines = key.lines
            _merge(before.inner, key.inner)
        else:
            into[name] = key
