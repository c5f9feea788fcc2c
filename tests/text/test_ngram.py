"""Kneser-Ney by hand, sums of 1, and KenLM's arithmetic on the same ARPA file."""

import math

import pytest

from sensorium.errors import RequestError
from sensorium.text.ngram import BEGIN, END, NGram, estimate

SENTENCES = ["one two three", "two two one", "", "three", "one two four five one", "six two seven one two"]
ARPA = """a comment
\\data\\
ngram 1=5
ngram 2=2
ngram 3=1

\\1-grams:
-99\t<s>\t-0.5
-1.2\t</s>
-2\t<unk>
-0.7\tred\t-0.3
-0.9\tblue\t-0.4

\\2-grams:
-0.2\t<s> red\t-0.1
-0.6\tred blue\t-0.25

\\3-grams:
-0.05\t<s> red blue

\\end\\
"""


def log10(model: NGram, history: str, word: str) -> float:
    return model.log_prob(history.split(), word) / math.log(10)


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_probabilities_sum_to_one_after_every_history(order):
    model = estimate(SENTENCES, order=order)
    outcomes = [*model.words, END, "never seen"]
    assert len(outcomes) == 9
    histories = [
        [],
        [BEGIN],
        [BEGIN, "one"],
        ["one", "two"],
        ["two", "two"],
        ["seven", "unheard"],
        ["five", "six", "one"],
    ]
    for history in histories:
        assert math.fsum(math.exp(model.log_prob(history, word)) for word in outcomes) == pytest.approx(1, abs=1e-12)


def test_kneser_ney_by_hand():
    # Plain discounts: no bigram is seen 3 times. Bigrams: <s> a, a b, b </s>, <s> b, so one word comes before a, two
    # before b, one before </s>; single words are interpolated with 1 / 4: a, b, </s>, <unk>.
    model = estimate(["a b", "b"], order=2)
    taken = (0.5 + 1.0 + 0.5) / 4
    a, b, end, unknown = (0.5 / 4 + taken / 4, 1 / 4 + taken / 4, 0.5 / 4 + taken / 4, taken / 4)
    assert math.exp(model.log_prob([], "b")) == pytest.approx(b)
    assert math.exp(model.log_prob([], "no such word")) == pytest.approx(unknown)
    assert math.exp(model.log_prob([BEGIN], "a")) == pytest.approx(0.5 / 2 + 0.5 * a)
    # b </s> is seen twice: discount 1, and all of the rest comes from single words
    assert math.exp(model.log_prob(["b"], END)) == pytest.approx((2 - 1) / 2 + 0.5 * end)
    assert math.exp(model.log_prob(["b"], "a")) == pytest.approx(0.5 * a)


def test_discounts_from_counts_of_counts():
    # single words: 4 seen once, 2 twice, 1 three times, 1 (the end) eight times; none four times
    model = estimate(["a a a b b c c d", *"efg", "", "", "", ""], order=1)
    y = 4 / (4 + 2 * 2)
    d1, d2, d3 = 1 - 2 * y * 2 / 4, 2 - 3 * y * 1 / 2, 3 - 0
    total, taken = 3 + 2 + 2 + 4 + 8, 4 * d1 + 2 * d2 + 2 * d3
    assert math.exp(model.log_prob([], "b")) == pytest.approx((2 - d2) / total + taken / total / 9)
    assert math.exp(model.log_prob([], END)) == pytest.approx((8 - d3) / total + taken / total / 9)


def test_back_off_by_hand():
    model = NGram.from_arpa(ARPA)
    assert (model.order, model.words) == (3, ["red", "blue"])
    assert log10(model, "<s> red", "blue") == pytest.approx(-0.05)
    assert log10(model, "blue red", "blue") == pytest.approx(-0.6)  # "blue red" has no weight
    assert log10(model, "<s> red", "red") == pytest.approx(-0.1 - 0.3 - 0.7)
    assert log10(model, "red blue", "green") == pytest.approx(-0.25 - 0.4 - 2)
    assert log10(model, "green", "red") == pytest.approx(-0.7)
    assert model.sentence_log_prob("red blue") / math.log(10) == pytest.approx(-0.2 - 0.05 - 0.25 - 0.4 - 1.2)
    assert model.perplexity(["red blue"]) == pytest.approx(10 ** (2.1 / 3))
    assert model.perplexity(["red blue", "red"]) == pytest.approx(10 ** ((2.1 + 0.2 + 0.1 + 0.3 + 1.2) / 5))


def test_arpa_there_and_back():
    model = estimate(SENTENCES, order=3)
    again = NGram.from_arpa(model.to_arpa())
    assert again.to_arpa() == model.to_arpa()
    assert again.words == model.words
    assert again.perplexity(SENTENCES) == pytest.approx(model.perplexity(SENTENCES), rel=1e-5)
    assert NGram.from_arpa(ARPA.replace("\t", " ").replace("\n", "\r\n")).to_arpa() == NGram.from_arpa(ARPA).to_arpa()


@pytest.mark.parametrize("source", ["estimated", "written"])
def test_kenlm_agrees(tmp_path, source):
    kenlm = pytest.importorskip("flashlight.lib.text.decoder.kenlm")
    dictionary = pytest.importorskip("flashlight.lib.text.dictionary")
    model = estimate(SENTENCES, order=3) if source == "estimated" else NGram.from_arpa(ARPA)
    (tmp_path / "model.arpa").write_text(model.to_arpa())
    words = dictionary.Dictionary([*model.words, "unheard"])
    theirs = kenlm.KenLM(str(tmp_path / "model.arpa"), words)
    for sentence in [*SENTENCES, "red red blue", "seven six unheard unheard two two", " ".join(model.words)]:
        spoken = [word if word in model else "unheard" for word in sentence.split()]
        state, total = theirs.start(False), 0.0
        for word in spoken:
            state, score = theirs.score(state, words.get_index(word))
            total += score
        total += theirs.finish(state)[1]
        assert model.sentence_log_prob(" ".join(spoken)) / math.log(10) == pytest.approx(total, abs=1e-4)


def test_a_better_model_of_regular_text():
    sentences = ["zero one two three four five six seven eight nine"] * 50
    bigram, single = (estimate(sentences, order=order).perplexity(sentences) for order in (2, 1))
    assert bigram < 1.1 < 10 < single


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "data"),
        (ARPA.replace("\\end\\", ""), "end"),
        (ARPA.replace("ngram 2=2", "ngram 2=3"), r"\[5, 3, 1\].*\[5, 2, 1\]"),
        (ARPA.replace("ngram 2=2", "ngram 5=2"), "Line 4 .*ngram 2=COUNT"),
        (ARPA.replace("-0.6\tred blue", "-0.6\tred"), "Line 16 .*a probability and 2 words"),
        (ARPA.replace("-0.6\tred blue", "much\tred blue"), "Line 16 "),
        (ARPA.replace("\\2-grams:", "\\3-grams:"), "Line 14 .*2-grams"),
        (ARPA.replace("-0.9\tblue", "-0.9\tred"), "Line 12 .*'red' is there twice"),
        (ARPA.replace("-0.6\tred blue", "nan\tred blue"), "Line 16 .*a probability"),
        (ARPA.replace("-0.6\tred blue", "-0_6\tred blue"), "Line 16 .*a probability"),
        (ARPA.replace("-0.6\tred blue", "0.6\tred blue"), "Line 16 .*0.6, which is above 1"),
        (ARPA.replace("ngram 2=2", "ngram 2=\u00b2"), "Line 4 .*ngram 2=COUNT"),
    ],
)
def test_no_arpa_file(text, message):
    with pytest.raises(RequestError, match=message):
        NGram.from_arpa(text)


def test_nothing_to_estimate_from():
    with pytest.raises(RequestError, match="at least one sentence"):
        estimate(["", " "], order=2)
    with pytest.raises(RequestError, match="order 0"):
        estimate(["a"], order=0)
    with pytest.raises(RequestError, match="cannot be words"):
        estimate(["a <s> b"], order=2)
    with pytest.raises(RequestError, match="no sentence"):
        estimate(["a"], order=2).perplexity([])
