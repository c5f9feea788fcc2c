"""multipart/form-data that is in memory as a whole: bodies are bounded, so that no upload need be written to a disk,
which may be full.
"""

from typing import NamedTuple

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from sensorium.serve.messages import RemoteError

_MOST_FIELDS = 64  # beside the files
_WIDEST_FIELD = 1 << 20  # bytes of a field that is no file


class Part(NamedTuple):
    """filename: None for a field that is no file."""

    name: str
    filename: str | None
    content: bytes


def parts_of(content_type: str, body: bytes, *, most_files: int) -> list[Part]:
    """The parts of a form in their order. content_type: the header, with the boundary. Raises RemoteError."""
    options = parse_options_header(content_type)[1]
    boundary = options.get(b"boundary")
    if not boundary:
        raise _unreadable("Content-Type names no boundary")
    reader = _Reader(most_files)
    callbacks = {name: getattr(reader, name) for name in dir(reader) if name.startswith("on_")}
    try:
        parser = MultipartParser(boundary, callbacks)  # type: ignore[arg-type]
        parser.write(body)
    except FormParserError as error:
        raise _unreadable(str(error)[:100]) from error
    if not reader.complete:
        raise _unreadable("its last boundary is missing")
    return reader.parts


class _Reader:
    """What the parser calls, and the parts that result."""

    def __init__(self, most_files: int) -> None:
        self.parts: list[Part] = []
        self.complete = False
        self._most_files, self._files = most_files, 0
        self._header, self._value, self._disposition = b"", b"", b""
        self._name = ""
        self._filename: str | None = None
        self._pieces: list[bytes] = []
        self._size = 0

    def on_part_begin(self) -> None:
        self._disposition, self._pieces, self._size = b"", [], 0

    def on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def on_header_end(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._disposition = self._value
        self._header, self._value = b"", b""

    def on_headers_finished(self) -> None:
        options = parse_options_header(self._disposition)[1]
        if b"name" not in options:
            raise _unreadable("a part has no name in its Content-Disposition")
        self._name = options[b"name"].decode(errors="replace")
        self._filename = options[b"filename"].decode(errors="replace") if b"filename" in options else None
        self._files += self._filename is not None
        if self._files > self._most_files:
            raise RemoteError(413, f"Too many files in one request; at most {self._most_files:,} are accepted.")
        if len(self.parts) + 1 - self._files >= _MOST_FIELDS:
            raise _unreadable(f"it has more than {_MOST_FIELDS} fields")

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        self._size += end - start
        if self._filename is None and self._size > _WIDEST_FIELD:
            raise _unreadable(f"the field {self._name[:80]!r} is larger than {_WIDEST_FIELD:,} bytes; send it as JSON")
        self._pieces.append(data[start:end])

    def on_part_end(self) -> None:
        self.parts.append(Part(self._name, self._filename, b"".join(self._pieces)))
        self._pieces = []

    def on_end(self) -> None:
        self.complete = True


def _unreadable(why: str) -> RemoteError:
    return RemoteError(400, f"The form cannot be read ({why}).")
