"""Words: where a text is cut, and the numbers that follow from counting."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensorium.errors import RequestError
from sensorium.text.tokenizer import UNK
from sensorium.text.words import WordTokenizer, join_words, split_words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Good, not great.", "good , not great ."),
        ("don't can't DON'T shouldn't've", "do n't ca n't do n't should n't 've"),
        ("she's I'm we'd you'll they're I've", "she 's i 'm we 'd you 'll they 're i 've"),
        ("it \u2019s what she\u2019s", "it 's what she 's"),  # typographic; already cut
        ("o'clock 'quoted' rock 'n' roll", "o'clock ' quoted ' rock ' n ' roll"),
        ("a\u0336n't", "a\u0336 n't"),
        ("3.5/5 1,000. 2nd", "3.5 / 5 1,000 . 2nd"),
        ("well-made…", "well - made . . ."),
        ("a_b <br/>", "a _ b < br / >"),
        ("这部电影very好\uff01", "这 部 电 影 very 好 !"),
        ("ありがとうカード", "あ り が と う カ ー ド"),
        ("좋은 영화", "좋은 영화"),
        ("हिन्दी cafe\u0301 ﬁlm", "हिन्दी café film"),
        ("😀😀👍🏽 ❤\ufe0f", "😀 😀 👍 🏽 ❤\ufe0f"),
        ("rei\u00adse zero\u200bwidth \ufeff", "reise zero width"),
        ("میخواهم می\u200cخواهم", "میخواهم می\u200cخواهم"),  # noqa: RUF001
        ("\x00a\x01", "\x00 a \x01"),
        (" \t\n\u3000", ""),
    ],
)
def test_where_a_text_is_cut(text, words):
    assert split_words(text, lowercase=True) == words.split()


def test_case_is_kept_unless_asked():
    assert split_words("Don't SHOUT", lowercase=False) == ["Do", "n't", "SHOUT"]


@given(st.text(st.characters()))
def test_no_word_holds_white_space_and_none_is_empty(text):
    for word in split_words(text, lowercase=False):
        assert word.split() == [word]


@pytest.mark.parametrize("text", ["Don't (ever) say: she's 3.5 cm, or $5!", "我喜欢。你 love 它!", "a \N{EM DASH} b"])
def test_joined_as_people_write(text):
    assert join_words(split_words(text, lowercase=False)) == text


PIECES = [
    "do",
    "n't",
    "'s",
    "film",
    "O'Brien",
    "'",
    '"',
    ".",
    ",",
    "(",
    ")",
    "$",
    "3.5",
    "好",
    "の",
    "。",
    "😀",
    "-",
    "été",
]


@given(st.lists(st.sampled_from(PIECES)))
def test_joining_loses_no_word(words):
    assert split_words(join_words(words), lowercase=False) == words


TEXTS = ["b a c", "b c", "b d"]  # b 3, c 2, a 1, d 1


def test_numbers_follow_frequency_then_alphabet():
    tokenizer = WordTokenizer.train(TEXTS, vocab_size=100, min_count=1, lowercase=True)
    assert tokenizer.tokens[4:] == ["b", "c", "a", "d"]
    assert tokenizer.encode("D, a b!") == [7, UNK, 6, 4, UNK]
    assert tokenizer.decode([7, UNK, 6, 4]) == "d a b"


def test_rare_words_are_cut():
    assert WordTokenizer.train(TEXTS, vocab_size=7, min_count=1, lowercase=True).tokens[4:] == ["b", "c", "a"]
    assert WordTokenizer.train(TEXTS, vocab_size=7, min_count=2, lowercase=True).tokens[4:] == ["b", "c"]
    with pytest.raises(RequestError, match=r"min_count=4 leaves an empty vocabulary: .* of 4 tokens was seen 3 times"):
        WordTokenizer.train(TEXTS, vocab_size=7, min_count=4, lowercase=True)
