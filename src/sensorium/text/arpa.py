"""The file format of n-gram language models that every recognizer reads: ARPA's, tab-separated.

For each length, a section of lines "probability, words, back-off weight", both numbers as logarithms to base 10. KenLM
insists on the tabs between the three, and on a weight or nothing behind the words.
"""

import math
from typing import NamedTuple

from sensorium.errors import RequestError

Words = tuple[str, ...]


class Tables(NamedTuple):
    """What a file holds. order: the maximum length. log10: of each n-gram. backoff: log10, of those that have one."""

    order: int
    log10: dict[Words, float]
    backoff: dict[Words, float]


def write_arpa(tables: Tables) -> str:
    """The text of the file; n-grams of one length in the order of the dictionary."""
    sections: list[list[Words]] = [[] for _ in range(tables.order)]
    for words in tables.log10:
        sections[len(words) - 1].append(words)
    lines = ["\\data\\"]
    lines += [f"ngram {length}={len(section)}" for length, section in enumerate(sections, start=1)]
    for length, section in enumerate(sections, start=1):
        lines += ["", f"\\{length}-grams:"]
        for words in section:
            weight = tables.backoff.get(words)
            behind = "" if weight is None else f"\t{weight:.7g}"
            lines.append(f"{tables.log10[words]:.7g}\t{' '.join(words)}{behind}")
    return "\n".join([*lines, "", "\\end\\", ""])


def read_arpa(text: str) -> Tables:
    """The tables in the text of a file. What stands before "\\data\\" is omitted, as the format says.

    Raises RequestError, with the line, for a file that is cut off, miscounted or otherwise not in this format.
    """
    announced: list[int] = []
    found: list[int] = []
    tables = Tables(0, {}, {})
    section = ""
    for number, line in enumerate(text.split("\n"), start=1):  # only these end a line: words may hold other breaks
        line = line.strip(" \t\r")
        if line.startswith("\\") and (section or line == "\\data\\"):
            section = line
            if line == f"\\{len(found) + 1}-grams:":
                found.append(0)
            elif line == "\\end\\":
                break
            elif line != "\\data\\":
                raise _wrong(number, line, f"\\{len(found) + 1}-grams:")
        elif line and section == "\\data\\":
            announced.append(_count(number, line, len(announced) + 1))
        elif line and section:
            _add_ngram(number, line, len(found), tables)
            found[-1] += 1
    if section != "\\end\\" or not announced:
        raise RequestError("This is not a complete language model in ARPA format: \\data\\ or \\end\\ is missing.")
    if announced != found or len(tables.log10) != sum(found):
        raise RequestError(f"The language model declares {announced} n-grams of each length; there are {found}.")
    return tables._replace(order=len(found))


def listed_words(text: str) -> list[str]:
    """The words in the text of a file, without those in angle brackets (<s>, </s>, <unk>); unchecked."""
    section = text.partition("\\1-grams:")[2].partition("\n\\")[0]
    words = [line.split()[1] for line in section.split("\n") if len(line.split()) > 1]
    return [word for word in words if not (word.startswith("<") and word.endswith(">"))]


def _count(number: int, line: str, length: int) -> int:
    """The number in "ngram 2=17"."""
    name, _, count = line.partition("=")
    if name.split() != ["ngram", str(length)] or not count.strip().isdecimal():
        raise _wrong(number, line, f"ngram {length}=COUNT")
    return int(count)


def _add_ngram(number: int, line: str, length: int, tables: Tables) -> None:
    """Reads "probability, words, weight"; a file with spaces instead of the tabs is accepted."""
    value, *rest = line.split("\t") if "\t" in line else line.split(" ")
    if "\t" not in line:
        rest = [" ".join(rest[:length]), *rest[length:]]
    words = tuple(word for word in rest[0].split(" ") if word) if rest else ()
    try:
        if len(words) != length or len(rest) > 2:
            raise ValueError
        if words in tables.log10:
            raise RequestError(f"Line {number} of the language model: {' '.join(words)!r:.80} is there twice.")
        tables.log10[words] = _logarithm(value)
        if tables.log10[words] > 0:
            raise RequestError(
                f"Line {number} of the language model: the probability of {' '.join(words)!r:.80} is 10 to the power of"
                f" {value}, which is above 1."
            )
        if len(rest) == 2:
            tables.backoff[words] = _logarithm(rest[1])
    except ValueError:
        raise _wrong(number, line, f"a probability and {length} words, then perhaps a weight") from None


def _logarithm(text: str) -> float:
    """A number, or minus infinity. Raises ValueError for anything else that Python reads: nan, inf, 1_0."""
    value = float(text.replace("_", "?"))
    if math.isnan(value) or value == math.inf:
        raise ValueError
    return value


def _wrong(number: int, line: str, expected: str) -> RequestError:
    return RequestError(f"Line {number} of the language model is {line[:80]!r}; expected {expected}.")
