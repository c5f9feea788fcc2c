"""The content of a file that never was one on this machine, under a name of its own."""

from typing import Self


class NamedBytes(bytes):
    """Raw input whose prediction is named as that of a file would be. name: as the sender has it; never opened."""

    name: str

    def __new__(cls, content: bytes, name: str = "") -> Self:
        found = super().__new__(cls, content)
        found.name = name
        return found


def name_of(raw: object, otherwise: str) -> str:
    """The name of a raw input that has one."""
    return raw.name if isinstance(raw, NamedBytes) and raw.name else otherwise
