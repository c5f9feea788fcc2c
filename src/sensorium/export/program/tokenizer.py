"""Texts as token ids."""

import math
import re
import unicodedata
from itertools import pairwise
from typing import Any

from sensorium.export.program.start import EOS, UNK

UNSPACED = (
    "\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U0001b000-\U0001b16f\U00020000-\U0003fffd"
)
REPLACED = {0x2019: "'", 0x00AD: None, 0xFEFF: None, 0x200B: " "}
ENDING = r"'(?:s|m|d|ll|re|ve)"
PIECES = re.compile(r"'(?:[sdmt]|ll|ve|re)| ?[A-Za-z]+| ?[0-9]+| ?[^\sA-Za-z0-9]+|\s+(?!\S)|\s+", re.ASCII)  # GPT-2's
PRINTABLE = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
MOVED = [byte for byte in range(256) if byte not in PRINTABLE]  # "Ġ" is a space
SPELLED = dict(zip((*PRINTABLE, *MOVED), map(chr, (*PRINTABLE, *range(0x100, 0x100 + len(MOVED)))), strict=True))
BYTES = {sign: byte for byte, sign in SPELLED.items()}


class Tokenizer:
    """Characters, words or byte pairs, from what the model's metadata has of it."""

    def __init__(self, values: dict[str, Any]) -> None:
        self.kind, self.lowercase = values["kind"], values["lowercase"]
        self.merges: dict[Any, int] = {}
        listed = values.get("characters" if self.kind == "char" else "words", ())
        if self.kind == "bpe":
            pairs = [tuple(merge.split(" ")) for merge in values["merges"]]
            self.merges = {pair: rank for rank, pair in enumerate(pairs)}
            listed = [*sorted(BYTES), *(left + right for left, right in pairs)]
        self.tokens = list(dict.fromkeys(["<pad>", "<unk>", "<bos>", "<eos>", *listed]))
        self.ids = {token: number for number, token in enumerate(self.tokens)}
        marks = {0x200C, 0x200D, *(code for block in (range(0x300, 0x1F000), range(0xE0100, 0xE01F0)) for code in block
                                   if self.kind == "word" and unicodedata.category(chr(code))[0] == "M")}  # fmt: skip
        mark = "".join(map(chr, sorted(marks)))
        word = rf"[^\W_{UNSPACED}]+(?:[{mark}]+[^\W_{UNSPACED}]*)*"
        self.ending = re.compile(rf"(?<=[\w{mark}])(?i:n't|{ENDING})\b")
        self.word = re.compile(rf"\d+(?:[.,]\d+)+|[{UNSPACED}]|{word}(?:'{word})*|(?i:{ENDING})\b|\S[{mark}]*")

    def encode(self, text: str) -> list[int]:
        """The ids of a text."""
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")  # no lone surrogates
        if self.kind == "word" and not text.isascii():
            text = unicodedata.normalize("NFKC", text.translate(REPLACED))
        text = text.lower() if self.lowercase else text
        if self.kind == "bpe":
            # Each character's kind in ASCII, for the pattern: Python's has no \p{L} and \p{N}.
            kinds = "".join(sign if "\t" <= sign <= "\r" or " " <= sign < "\x7f" else kind_of(sign) for sign in text)
            return [number for found in PIECES.finditer(kinds) for number in self.merged(text[slice(*found.span())])]
        pieces = text if self.kind == "char" else self.word.findall(self.ending.sub(r" \g<0>", text))
        return [self.ids.get(piece, UNK) for piece in pieces]

    def merged(self, piece: str) -> list[int]:
        """The ids of a piece's bytes, the pair that was learned first merged first."""
        parts = [SPELLED[byte] for byte in piece.encode()]
        while len(parts) > 1:
            best = min(pairwise(parts), key=lambda pair: self.merges.get(pair, math.inf))
            if best not in self.merges:
                break
            joined, place = [], 0
            while place < len(parts):
                pair = tuple(parts[place : place + 2]) == best
                joined.append(parts[place] + parts[place + 1] if pair else parts[place])
                place += 1 + pair
            parts = joined
        return [self.ids[part] for part in parts]

    def decode(self, ids: list[int]) -> str:
        """The text of ids, special ones omitted; of words with a space between any two."""
        pieces = [self.tokens[number] for number in ids if number > EOS]
        if self.kind == "bpe":
            return bytes(BYTES[sign] for piece in pieces for sign in piece).decode("utf-8", "replace")
        return ("" if self.kind == "char" else " ").join(pieces)


def kind_of(sign: str) -> str:
    """A letter, a digit, white space or a mark of ASCII for a character of the same kind."""
    category = unicodedata.category(sign)[0]
    return {"L": "a", "N": "0"}.get(category, "\t" if sign.isspace() and sign > "\x1f" else "!")
