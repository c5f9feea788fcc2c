"""What all tokenizers share: the special tokens, the interface, and what counts as text.

The four special tokens have the same numbers in every tokenizer, and no text is ever encoded to one of them but UNK:
"<pad>" written in a review is five characters like any others.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Literal, Protocol

PAD, UNK, BOS, EOS = 0, 1, 2, 3
SPECIAL_TOKENS = ("<pad>", "<unk>", "<bos>", "<eos>")

# White space, and characters without width: the byte order mark, soft hyphen, joiners, marks of direction.
_UNSEEN = (
    "".join(filter(str.isspace, map(chr, range(0x3001))))
    + "\ufeff\u00ad\u061c"
    + "".join(
        map(chr, (*range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2065), *range(0x2066, 0x206A)))
    )
)

TokenizerKind = Literal["char", "word", "bpe"]


class Tokenizer(Protocol):
    """From text to token numbers and back. Any text is accepted, the empty one too."""

    @property
    def vocab_size(self) -> int:
        """How many tokens there are, special ones included; every number is below it."""

    @property
    def tokens(self) -> list[str]:
        """The tokens in the order of their numbers, the special ones first."""

    def encode(self, text: str) -> list[int]:
        """Numbers of the text's tokens, without BOS and EOS."""

    def encode_many(self, texts: Sequence[str]) -> list[list[int]]:
        """`encode` of each text, faster than one by one where the tokenizer can."""

    def decode(self, ids: Iterable[int]) -> str:
        """The text of these tokens; special tokens are omitted."""

    def to_dict(self) -> dict[str, Any]:
        """What `tokenizer_from_dict` makes the same tokenizer from: strings, numbers and lists, ready for JSON."""


def stripped(text: str) -> str:
    """The text without the white space and zero-width characters around it."""
    return text.strip(_UNSEEN)


def clean(text: str, *, lowercase: bool) -> str:
    """The text that can be written as UTF-8, in lower case if asked.

    Python strings may hold surrogates, which are halves of a character (from JSON escapes, or file names that are not
    UTF-8). Two that belong together become their character, a lone one becomes U+FFFD, the replacement character.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        text = text.encode("utf-16-le", errors="surrogatepass").decode("utf-16-le", errors="replace")
    return text.lower() if lowercase else text
