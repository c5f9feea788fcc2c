"""From running text to data: three consecutive or separate splits, the tokenizer, the tokens."""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sensorium.data.base import SPLITS, Data, OnBad, Problem, counted, refuse
from sensorium.data.io.text_files import read_pieces
from sensorium.data.text.splits import LanguageSplit
from sensorium.data.text.text_settings import RunningTextSettings, unknown_note, vocabulary_note
from sensorium.data.text.texts import Texts, TextWriter
from sensorium.data.text.tokens import TokenStore, encode_texts
from sensorium.errors import RequestError
from sensorium.specs import LanguageModelingSpec
from sensorium.text.tokenizer import Tokenizer

_PIECE = 1 << 16  # characters that are encoded at once


class RunningText:
    """Text as it comes, in pieces that end at a line's end where there is one. problems, notes: found while reading.

    name: of the text, for errors and for the names of positions.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.problems: list[Problem] = []
        self.notes: list[str] = []
        self._writer = TextWriter()
        self._files: dict[bytes, str] = {}  # digest of the text -> the first file with it

    def __len__(self) -> int:
        """How many pieces there are so far."""
        return len(self._writer)

    def add_file(self, path: Path, *, encoding: str | None = None) -> None:
        """All of a file, and a line feed where it ends without one. One that cannot be read is a problem."""
        self._add_parts(str(path), read_pieces(path, encoding=encoding))

    def add_document(self, name: str, text: str) -> None:
        """A text, as if it were a file of that name."""
        self._add_parts(name, [text])

    def _add_parts(self, name: str, parts: Iterable[str | Problem]) -> None:
        pending, before, digest = "", len(self), hashlib.blake2b(digest_size=16)
        for part in parts:
            if isinstance(part, Problem):
                self.problems.append(part)
                return
            digest.update(part.encode(errors="surrogatepass"))
            pending = self._add(pending + part)
        if pending.strip() or (pending and len(self) > before):
            self._writer.add(pending if pending.endswith("\n") else f"{pending}\n")
        elif len(self) == before:
            self.problems.append(Problem(name, "no text"))
            return
        if (first := self._files.setdefault(digest.digest(), name)) is not name:
            self.notes.append(f"{name}: the same text as {first}; what is tested may be trained on")

    def finish(self) -> Texts:
        """All pieces; nothing can be added after."""
        return self._writer.finish()

    def _add(self, text: str) -> str:
        """Takes as many whole pieces as there are; returns the rest."""
        start = 0
        while len(text) - start > _PIECE:
            end = text.rfind("\n", start, start + _PIECE) + 1 or start + _PIECE
            self._writer.add(text[start:end])
            start = end
        return text[start:]


def make_language_data(
    text: RunningText, settings: RunningTextSettings, *, cuts: Sequence[int] | Sequence[float], on_bad: OnBad
) -> Data:
    """train, val and test, one after another.

    cuts: where val and test begin, as a piece number (int), or as a share of all characters (float).
    """
    refuse(text.problems, on_bad=on_bad)
    pieces = text.finish()
    begins: list[int] = []
    for cut in cuts:
        if isinstance(cut, float):
            pieces, piece = _cut(pieces, cut)
        begins.append(piece if isinstance(cut, float) else cut)
    bounds = [0, *begins, len(pieces)]
    rows = {split: np.arange(bounds[i], bounds[i + 1]) for i, split in enumerate(SPLITS)}
    tokenizer = settings.build_tokenizer(pieces.subset(rows["train"]))
    tokens = encode_texts(pieces, tokenizer)
    stores = {split: tokens.subset(chosen) for split, chosen in rows.items()}
    splits: dict[str, Any] = {
        split: _split(text.name, pieces.subset(rows[split]), stores[split], tokenizer, split, settings.context)
        for split in SPLITS
    }
    spec = LanguageModelingSpec(
        tokenizer=tokenizer.to_dict(), vocab_size=tokenizer.vocab_size, context=settings.context
    )
    sizes = ", ".join(f"{name} {len(split) + 1:,}" for name, split in splits.items())
    return Data(
        spec=spec,
        **splits,
        problems=tuple(text.problems),
        notes=(
            *text.notes,
            f"tokens: {sizes}",
            vocabulary_note(tokenizer, trained=settings.trained),
            unknown_note({split: stores[split] for split in ("val", "test")}),
        ),
    )


def _split(
    name: str, pieces: Texts, tokens: TokenStore, tokenizer: Tokenizer, split: str, context: int
) -> LanguageSplit:
    total = int(tokens.lengths.sum())
    if total < 2:
        raise RequestError(
            f"{name}: the {split} split has {counted(total, 'token')}, and at least 2 are needed.\n"
            "Give more text, or other fractions for the splits."
        )
    start = int(tokens.starts[0])
    ids = tokens.flat[start : start + total]
    first = tokenizer.decode([int(ids[0])])  # never predicted
    return LanguageSplit(
        tokens=ids,
        context=context,
        num_characters=max(1, sum(map(pieces.num_characters, range(len(pieces)))) - len(first)),
        num_bytes=max(1, int(pieces.sizes.sum()) - len(first.encode())),
        name=f"{name} ({split})",
    )


def _cut(pieces: Texts, share: float) -> tuple[Texts, int]:
    """Pieces of which one begins with the character number int(share of all characters), and that piece's number."""
    counts = np.array([pieces.num_characters(row) for row in range(len(pieces))], dtype=np.int64)
    wanted = int(counts.sum() * share)
    ends = np.cumsum(counts)
    row = int(np.searchsorted(ends, wanted, side="right"))
    if row == len(pieces):
        return pieces, row
    inside = wanted - int(ends[row] - counts[row])
    if inside == 0:
        return pieces, row
    size = len(pieces[row][:inside].encode())
    starts = np.insert(pieces.starts, row + 1, pieces.starts[row] + size)
    sizes = np.insert(pieces.sizes, row + 1, pieces.sizes[row] - size)
    sizes[row] = size
    return Texts(pieces.data, starts, sizes), row + 1
