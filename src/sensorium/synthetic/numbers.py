"""Numbers in English words, as spoken."""

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_TEENS = ("ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen")
_TENS = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")


def in_words(number: int) -> str:
    """A number from 0 to 9999 in English, as in "three thousand four hundred and twenty one"."""
    if number >= 1000:
        return _with_rest(f"{DIGITS[number // 1000]} thousand", number % 1000)
    if number >= 100:
        return _with_rest(f"{DIGITS[number // 100]} hundred", number % 100)
    if number >= 20:
        return f"{_TENS[number // 10]} {DIGITS[number % 10]}" if number % 10 else _TENS[number // 10]
    return _TEENS[number - 10] if number >= 10 else DIGITS[number]


def _with_rest(head: str, rest: int) -> str:
    if not rest:
        return head
    return f"{head} {in_words(rest)}" if rest >= 100 else f"{head} and {in_words(rest)}"
