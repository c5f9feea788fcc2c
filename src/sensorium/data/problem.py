"""What is wrong with an example of the data. Imports no torch: the first look at a table needs it too."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """Something wrong with the data. place: a file, a folder, or file:line. name: of the example, where the place is
    not its own file.
    """

    place: str
    what: str
    name: str = ""

    def __str__(self) -> str:
        return f"{self.place}: {self.named}"

    @property
    def named(self) -> str:
        """What is wrong, with the name of the example."""
        return f"{self.name}: {self.what}" if self.name else self.what
