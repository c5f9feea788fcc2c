"""Typing errors and changed casing in texts at severities 1 to 5, to measure how a model holds up."""

from sensorium.randomness import generator

SEVERITIES = (1, 2, 3, 4, 5)
_SETTINGS = {"typos": (0.02, 0.05, 0.10, 0.15, 0.20), "casing": (0.1, 0.25, 0.5, 0.75, 1.0)}
KINDS = {"typos": "typing errors, share of letters", "casing": "words in capitals, share"}  # what the setting is
# Keys beside each other on a QWERTY keyboard, by row.
_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")


def _neighbors() -> dict[str, str]:
    found = {}
    for row in _ROWS:
        for place, key in enumerate(row):
            found[key] = row[max(0, place - 1) : place] + row[place + 1 : place + 2]
    return found


_BESIDE = _neighbors()


def setting(kind: str, severity: int) -> float:
    """The share of letters or words that a corruption changes at a severity."""
    return _SETTINGS[kind][severity - 1]


def corrupted(text: str, kind: str, severity: int, *, seed: int) -> str:
    """A text with so many errors; random draws follow from the seed alone."""
    share = setting(kind, severity)
    if kind == "typos":
        return _mistyped(text, share, seed)
    words = text.split(" ")
    drawn = generator(seed).random(len(words)) < share
    return " ".join(word.upper() if chosen else word for word, chosen in zip(words, drawn, strict=True))


def _mistyped(text: str, share: float, seed: int) -> str:
    """Each letter is, with this probability, exchanged with the next letter, left out, typed twice, or replaced by the
    key beside it (where there is one on the keyboard, else typed twice), alike often.
    """
    random = generator(seed)
    hit, kinds, sides = random.random(len(text)) < share, random.integers(0, 4, len(text)), random.random(len(text))
    found, place = [], 0
    while place < len(text):
        letter = text[place]
        if not hit[place] or not letter.isalpha():
            found.append(letter)
        elif kinds[place] == 0 and place + 1 < len(text) and text[place + 1].isalpha():
            found.append(text[place + 1] + letter)
            place += 1
        elif kinds[place] == 1:
            pass
        elif kinds[place] == 2 and letter.lower() in _BESIDE:
            beside = _BESIDE[letter.lower()]
            key = beside[int(sides[place] * len(beside))]
            found.append(key.upper() if letter.isupper() else key)
        else:
            found.append(letter * 2)
        place += 1
    return "".join(found)
