"""Synthetic offers of furniture, and their prices: every relevant word adds or subtracts its amount.

    two solid oak chairs , almost new , delivery included
    price = 2 * (chair 40 + oak 25 + solid 10) + almost new 8 + delivery 15

What has to be learned is what each word is worth, and that the number in front counts for all of its piece. Some of the
price is chance, so that no model is without error.
"""

from collections.abc import Iterator

from sensorium.randomness import generator

MOST = 20_000  # offers, of the 35,280 there are
_DRAWS = 8  # random numbers an offer takes
NOISE = 3.0  # standard deviation of what is chance

PIECES = {"chair": 40, "stool": 25, "desk": 110, "table": 150, "shelf": 70, "bench": 85, "lamp": 30, "cabinet": 190}
MATERIALS = {"oak": 25, "pine": 5, "walnut": 35, "steel": 15, "plastic": -10, "bamboo": 10, "birch": 12}
QUALITIES = {"solid": 10, "plain": 0, "elegant": 18, "antique": 30, "simple": -4, "handmade": 22, "wobbly": -15}
STATES = {"almost new": 8, "as new": 14, "slightly used": -6, "with scratches": -18, "in need of repair": -25}
EXTRAS = {"delivery included": 15, "to be collected": -5, "from a smoke free home": 3, "with a warranty": 20}
NUMBERS = {"one": 1, "two": 2, "three": 3}


def offers(seed: int) -> Iterator[tuple[str, float]]:
    """Offers, no one twice, and their prices, rounded to cents."""
    seen: set[str] = set()
    block = 0
    while True:
        random = generator(seed, block)
        chance = random.normal(0, NOISE, 1024).tolist()
        for draws, noise in zip(random.random((1024, _DRAWS)).tolist(), chance, strict=True):
            text, worth = _offer(draws)
            if text not in seen:
                seen.add(text)
                yield text, round(worth + noise, 2)
        block += 1


def _offer(draws: list[float]) -> tuple[str, int]:
    """A text, and what it is worth."""
    tables = (NUMBERS, QUALITIES, MATERIALS, PIECES, STATES, EXTRAS)
    words = [list(table)[int(draw * len(table))] for table, draw in zip(tables, draws, strict=False)]
    number, quality, material, piece, state, extra = words
    count = NUMBERS[number]
    noun = piece if count == 1 else "shelves" if piece == "shelf" else f"{piece}{'es' if piece == 'bench' else 's'}"
    text, worth = f"{number} {quality} {material} {noun}", PIECES[piece] + MATERIALS[material] + QUALITIES[quality]
    worth *= count
    if draws[6] < 0.7:
        text, worth = f"{text} , {state}", worth + STATES[state]
    if draws[7] < 0.5:
        text, worth = f"{text} , {extra}", worth + EXTRAS[extra]
    return text, worth
