"""Numbers in English, German or French words, as num2words writes them."""

from functools import cache, partial

from sensorium.errors import missing_extra


class NumberWriter:
    """Numbers in words. num2words, which is slow, is asked for whole thousands and for what is behind them only."""

    def __init__(self, language: str) -> None:
        try:
            from num2words import num2words
        except ImportError as error:
            raise missing_extra("num2words", "text") from error
        self._language = language
        self._ask = cache(partial(num2words, lang=language))

    def of(self, number: int) -> str:
        """What num2words says of a number below a million."""
        rest = number % 1000
        if number < 1000 or not rest:
            return self._ask(number)
        between = {"en": ", " if rest >= 100 else " and ", "de": "", "fr": " "}[self._language]
        return self._ask(number - rest) + between + self._ask(rest)
