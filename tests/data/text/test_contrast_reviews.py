"""The synthetic reviews: their labels follow from the grammar, and not from single words or pairs of them."""

from itertools import islice, pairwise

import numpy as np
import pytest
from sklearn.feature_extraction import DictVectorizer
from sklearn.linear_model import LogisticRegression

from sensorium.data.text.contrast_reviews import ContrastReviews
from sensorium.synthetic import contrast_reviews as grammar
from sensorium.synthetic.contrast_reviews import reviews


def label_of(text: str) -> int:
    """What a reader makes of a sentence: an independent reading of the grammar."""
    text = text.removesuffix(" .")
    if " degree , and " in text:
        left, right = text.split(" degree , and ")
        return clause(left if any(f" one {word}" in left for word in grammar._STRONG) else right)
    if ", but " in text:
        return clause(text.split(", but ")[1])
    if text.startswith("although "):
        ends = [f"{tail} , " for tail in grammar._TAILS]
        cut = min(text.index(end) + len(end) for end in ends if end in text)
        return clause(text[cut:])
    return clause(text.split(" , although ")[0])


def clause(text: str) -> int:
    turns = 0
    for phrase in (*grammar._WRAPPERS, *grammar._NEGATIONS):  # a wrapper may hold a negation of its own
        turns += phrase in text
        text = text.replace(phrase, "")
    words = text.split()
    good = any(word in words for word in grammar._GOOD)
    assert good != any(word in words for word in grammar._BAD)
    return int(good) ^ turns % 2


def load(**changes):
    counts = {"train": 300, "val": 40, "test": 60, "data_seed": 0}
    tokens = {"tokenizer": "word", "vocab_size": 1000, "min_count": 1, "lowercase": True, "max_length": 100}
    return ContrastReviews(**counts | tokens | changes).load(on_bad="fail")


def test_labels_are_what_a_reader_finds():
    found = list(islice(reviews(3), 3000))
    assert len({text for text, _ in found}) == 3000
    assert [label_of(text) for text, _ in found] == [label for _, label in found]
    assert 0.47 < np.mean([label for _, label in found]) < 0.53


def test_parts_are_disjoint_and_say_that_they_are_synthetic():
    data = load()
    parts = [list(part.texts) for part in (data.train, data.val, data.test)]
    assert [len(texts) for texts in parts] == [300, 40, 60]
    assert len({text for texts in parts for text in texts}) == 400
    assert data.spec.class_names == ("negative", "positive")
    assert "synthetic" in data.notes[0]
    assert data.val.names[0] == "contrast_reviews/val:1"
    assert list(load().train.texts) == parts[0]
    assert list(load(data_seed=1).train.texts) != parts[0]


@pytest.mark.parametrize("penalty", [0.01, 0.1])
def test_single_words_and_pairs_tell_little(penalty):
    found = list(islice(reviews(0), 5000))

    def counts(text: str) -> dict[str, int]:
        words = text.split()
        pairs = [" ".join(pair) for pair in pairwise(words)]
        return {piece: (words + pairs).count(piece) for piece in {*words, *pairs}}

    features = DictVectorizer().fit_transform([counts(text) for text, _ in found])
    labels = np.array([label for _, label in found])
    model = LogisticRegression(C=penalty, max_iter=500).fit(features[:4000], labels[:4000])
    assert 0.5 < model.score(features[4000:], labels[4000:]) < 0.72
