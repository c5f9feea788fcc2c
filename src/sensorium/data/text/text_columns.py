"""The text of a row of a table: of one column, or of several that are joined, such as a title and a body."""

from collections.abc import Sequence
from dataclasses import dataclass

from sensorium.data.table_rows import Row, TablesSettings
from sensorium.errors import RequestError

KEY = "text_column"


@dataclass(frozen=True, kw_only=True)
class TextColumnSettings(TablesSettings):
    """text_column: the column with the text, or a list of columns, which are joined in this order with text_separator
    between them; a cell without anything keeps its place.
    """

    text_column: str | Sequence[str]
    text_separator: str

    def check(self) -> None:
        super().check()
        if not self.text_columns:
            raise RequestError("dataset.text_column=[]: give a column, or a list of columns such as [title,body].")

    @property
    def text_columns(self) -> dict[str, str]:
        """The columns of the text for `table_rows`, in their order."""
        if isinstance(self.text_column, str | int):
            return {KEY: str(self.text_column)}
        return {f"{KEY}[{number}]": str(column) for number, column in enumerate(self.text_column)}

    def text_of(self, row: Row) -> str:
        """The text of a row; "" where none of its cells has any."""
        return joined([row.cells[key] for key in self.text_columns], self.text_separator)


def joined(cells: Sequence[str], separator: str) -> str:
    """One cell as it is; several without the spaces around each, and "" when all are empty. Training and prediction
    join alike.
    """
    if len(cells) == 1:
        return cells[0]
    return separator.join(cell.strip() for cell in cells) if any(map(str.strip, cells)) else ""
