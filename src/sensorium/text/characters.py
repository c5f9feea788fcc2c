"""Text as Unicode characters (code points): no word is unknown, and sequences are long."""

from collections.abc import Iterable

from sensorium.text.tokenizer import clean
from sensorium.text.vocabulary import PieceTokenizer


class CharTokenizer(PieceTokenizer):
    """Decoding gives back exactly the encoded text, in lower case if asked, when its characters are all in the list."""

    kind = "char"
    name = "characters"

    @staticmethod
    def split(text: str, *, lowercase: bool) -> str:
        return clean(text, lowercase=lowercase)

    @staticmethod
    def join(pieces: Iterable[str]) -> str:
        return "".join(pieces)
