"""What can be said to the assistant, and what people say to each other beside it."""

import numpy as np

WAKE_WORD = "computer"
NONE, INCOMPLETE = "none", "incomplete"  # no command; the beginning of one


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_ONES = _words(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen"
)
_TENS = _words("twenty thirty forty fifty sixty seventy eighty ninety")
_ROOMS = ("kitchen", "bedroom", "bathroom", "living room", "hall", "office", "garden", "garage")
_DAYS = ("today", "tomorrow", "tonight", "this morning", "this afternoon", "on monday", "on friday", "on sunday")
_UNITS = ("seconds", "minutes", "hours")
_MUSIC = ("jazz", "rock", "piano", "classical", "dance", "country", "guitar", "folk")

# {n} is a number from 2 to 99, {hour} one from 1 to 12.
INTENTS = {
    "set_timer": (
        "set a timer for {n} {unit}",
        "start a timer for {n} {unit}",
        "timer for {n} {unit} please",
        "remind me in {n} {unit}",
        "count down {n} {unit}",
    ),
    "set_alarm": (
        "set an alarm for {hour} o'clock",
        "wake me up at {hour}",
        "wake me at {hour} in the morning",
        "i have to get up at {hour} tomorrow",
    ),
    "set_volume": ("set the volume to {n} percent", "volume {n} percent", "change the volume to {n}"),
    "set_temperature": (
        "set the temperature to {n} degrees",
        "heat the {room} to {n} degrees",
        "make it {n} degrees in the {room}",
    ),
    "lights_on": (
        "turn on the lights in the {room}",
        "switch on the {room} light",
        "lights on in the {room} please",
        "i need some light in the {room}",
    ),
    "lights_off": (
        "turn off the lights in the {room}",
        "switch off the {room} light",
        "lights off in the {room} please",
        "make it dark in the {room}",
    ),
    "play_music": ("play some {music} music", "i want to hear {music} music", "put on some {music}"),
    "stop": ("stop the music", "please be quiet", "stop that", "that is enough", "stop the timer", "turn that off"),
    "weather": (
        "what is the weather like {day}",
        "will it rain {day}",
        "do i need an umbrella {day}",
        "how cold will it be {day}",
    ),
    "time": ("what time is it", "tell me the time", "what is the time now", "how late is it"),
}

NUMBERED = {intent for intent, said in INTENTS.items() if all("{n}" in one or "{hour}" in one for one in said)}

# Other speech. The words of the test are not those of the training.
_NOUNS = {
    "train": _words(
        "brother teacher doctor neighbor dog letter river mountain window garden story bridge paper station "
        "sister farmer boat market picture question chair summer forest shoulder village soldier engine bottle "
        "minister pencil captain lawyer holiday commuter compliment company committee confusion pewter comet newspaper "
        "computation component composure deputy companion amputation combination"
    ),
    "test": _words(
        "daughter uncle cousin painter sailor horse mirror castle island blanket basket engineer candle button "
        "library winter valley ladder kettle ticket passenger actor tractor monkey orchard butcher banker pillow "
        "competitor composer commander compass compartment puzzle"
    ),
}
_VERBS = {
    "train": _words(
        "found opened carried followed painted remembered forgot visited described bought sold repaired watched "
        "moved answered commuted completed compared "
        "computed disputed"
    ),
    "test": _words(
        "borrowed lifted admired noticed cleaned washed delivered invented photographed missed chased returned "
        "commanded competed collected"
    ),
}
_QUALITIES = {
    "train": _words("old small heavy broken quiet famous yellow narrow strange wooden gentle empty complete common"),
    "test": _words("young tiny rusty bright silent purple clever wild ancient modern lazy compact competent"),
}
_ENDS = {
    "train": ("yesterday", "before lunch", "near the school", "in the rain", "without a word", "last week", ""),
    "test": ("a year ago", "after dinner", "behind the church", "in the snow", "for his mother", "at night", ""),
}
_OTHER = (
    "the {quality} {noun} {verb} the {noun} {end}",
    "my {noun} {verb} a {quality} {noun} {end}",
    "she {verb} the {noun} and he {verb} the {quality} {noun}",
    "we never {verb} that {noun} {end}",
    "did they say that the {noun} {verb} {number} {noun} {end}",
    "i think our {quality} {noun} is like a {noun}",
)


def in_words(number: int) -> str:
    """A number from 0 to 99 in words."""
    tens, ones = divmod(number, 10)
    if number < 20:
        return _ONES[number]
    return _TENS[tens - 2] + (f" {_ONES[ones]}" if ones else "")


def vocabulary() -> set[str]:
    """Every word of a command."""
    sentences = [sentence for said in INTENTS.values() for sentence in said]
    choices = [*_ROOMS, *_DAYS, *_MUSIC, *_UNITS, *(in_words(number) for number in range(100))]
    return {word for text in (*sentences, *choices) for word in text.split() if word[0] != "{"}


def command(random: np.random.Generator, intent: str) -> tuple[str, int | None]:
    """A sentence of this intent, and its number where it has one."""

    def drawn(choices: tuple[str, ...]) -> str:
        return choices[int(random.integers(len(choices)))]

    sentence = drawn(INTENTS[intent])
    number = int(random.integers(1, 13) if "{hour}" in sentence else random.integers(2, 100))
    words = in_words(number)
    said = sentence.format(
        n=words, hour=words, unit=drawn(_UNITS), room=drawn(_ROOMS), day=drawn(_DAYS), music=drawn(_MUSIC)
    )
    return said, number if "{n}" in sentence or "{hour}" in sentence else None


def other(random: np.random.Generator, split: str) -> str:
    """A sentence that is no command; in the test of words that the training does not have."""
    kinds = {"noun": _NOUNS, "verb": _VERBS, "quality": _QUALITIES, "end": _ENDS}
    words = []
    for word in _OTHER[int(random.integers(len(_OTHER)))].split():
        choices = kinds.get(word.strip("{}"))
        if word == "{number}":
            words.append(in_words(int(random.integers(2, 100))))
        elif choices is None:
            words.append(word)
        else:
            some = choices["test" if split == "test" else "train"]
            words.append(some[int(random.integers(len(some)))])
    return " ".join(word for word in words if word)


def intent_table(random: np.random.Generator, *, each: int) -> list[tuple[str, str]]:
    """(text, intent) rows, no text twice: `each` of every intent, more of beginnings of commands and of other speech.

    Half of them have a letter or two wrong, as the transcripts of a recognizer have.
    """
    clean = {command(random, intent)[0]: intent for intent in INTENTS for _ in range(each)}
    starts = {_beginning(said, random) for said in clean} - clean.keys()
    rows: dict[str, str] = {}
    for intent in INTENTS:
        _fill(rows, [said for said, its in clean.items() if its == intent], intent, random, count=each)
    _fill(rows, sorted(starts), INCOMPLETE, random, count=3 * each)
    others = [other(random, "train") for _ in range(2 * each)]
    _fill(rows, others + [_beginning(said, random) for said in others], NONE, random, count=3 * each)
    return list(rows.items())


def _fill(rows: dict[str, str], texts: list[str], label: str, random: np.random.Generator, *, count: int) -> None:
    """Adds texts of a label until there are so many of it, half of them with wrong letters."""
    size = len(rows) + count
    while len(rows) < size:
        text = texts[int(random.integers(len(texts)))]
        rows.setdefault(_misspelled(text, random) if random.random() < 0.5 else text, label)


def _beginning(text: str, random: np.random.Generator) -> str:
    words = text.split()
    return " ".join(words[: int(random.integers(1, max(2, len(words))))])


def _misspelled(text: str, random: np.random.Generator) -> str:
    """The text with one or two letters replaced, left out or doubled."""
    letters = list(text)
    for place in random.integers(len(letters), size=int(random.integers(1, 3))).tolist():
        letter = "abcdefghijklmnopqrstuvwxyz"[int(random.integers(26))]
        letters[place] = (letter, "", 2 * letters[place])[int(random.integers(3))]
    return " ".join("".join(letters).split()) or text
