"""What every tokenizer promises, and what a checkpoint gives back."""

import json
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensorium.errors import RequestError
from sensorium.text.build_tokenizer import tokenizer_from_dict, train_tokenizer
from sensorium.text.tokenizer import BOS, EOS, PAD, SPECIAL_TOKENS, UNK, clean

KINDS = ("char", "word", "bpe")
TEXTS = ["A good film , not a bad one .", "Not good at all", "很好 😀 good", "<pad> <bos>", ""]
ANY_TEXT = st.text(st.characters())  # surrogates too


def trained(kind, texts=TEXTS, *, vocab_size=300, min_count=1, lowercase=False):
    return train_tokenizer(kind, texts, vocab_size=vocab_size, min_count=min_count, lowercase=lowercase)


TOKENIZERS = {kind: trained(kind) for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
@given(text=ANY_TEXT)
def test_any_text_is_encoded_and_never_to_pad_bos_or_eos(kind, text):
    tokenizer = TOKENIZERS[kind]
    ids = tokenizer.encode(text)
    assert tokenizer.encode_many([text, "good", text]) == [ids, tokenizer.encode("good"), ids]
    assert not {PAD, BOS, EOS} & set(ids)
    assert all(0 <= number < tokenizer.vocab_size for number in ids)
    tokenizer.decode(ids)


@pytest.mark.parametrize("kind", KINDS)
@given(texts=st.lists(ANY_TEXT, max_size=3))
def test_any_text_can_be_learned_from(kind, texts):
    tokenizer = trained(kind, iter(texts), vocab_size=10_000)
    assert UNK not in [number for ids in tokenizer.encode_many(texts) for number in ids]


@pytest.mark.parametrize("kind", KINDS)
def test_special_tokens_come_first_and_are_left_out_of_text(kind):
    tokenizer = TOKENIZERS[kind]
    assert tuple(tokenizer.tokens[:4]) == SPECIAL_TOKENS == ("<pad>", "<unk>", "<bos>", "<eos>")
    assert (PAD, UNK, BOS, EOS) == (0, 1, 2, 3)
    assert len(tokenizer.tokens) == len(set(tokenizer.tokens)) == tokenizer.vocab_size
    assert tokenizer.decode([BOS, *tokenizer.encode("good"), UNK, EOS, PAD, PAD]) == "good"


@pytest.mark.parametrize("kind", KINDS)
def test_a_special_token_written_in_a_text_is_text(kind):
    tokenizer = trained(kind, ["<pad> <unk> <bos> <eos>"] * 50)
    ids = tokenizer.encode("<pad> <unk> <bos> <eos>")
    assert min(ids) > EOS
    assert tokenizer.decode(ids).replace(" ", "") == "<pad><unk><bos><eos>"


@pytest.mark.parametrize("lowercase", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_json_and_pickle_give_the_same_tokenizer(kind, lowercase):
    tokenizer = trained(kind, lowercase=lowercase)
    values = tokenizer.to_dict()
    assert values["kind"] == kind
    for again in (tokenizer_from_dict(json.loads(json.dumps(values))), pickle.loads(pickle.dumps(tokenizer))):
        assert again.to_dict() == values
        assert again.tokens == tokenizer.tokens
        assert again.encode_many([*TEXTS, "Ünseen"]) == tokenizer.encode_many([*TEXTS, "Ünseen"])


@pytest.mark.parametrize("kind", KINDS)
def test_the_order_of_the_texts_does_not_matter(kind):
    assert trained(kind, TEXTS[::-1]).to_dict() == TOKENIZERS[kind].to_dict()


@pytest.mark.parametrize("kind", KINDS)
def test_lower_case_makes_capitals_equal(kind):
    assert trained(kind, lowercase=True).encode("NOT") == trained(kind, lowercase=True).encode("not")
    assert TOKENIZERS[kind].encode("NOT") != TOKENIZERS[kind].encode("not")


@pytest.mark.parametrize(("kind", "smallest"), [("char", 5), ("word", 5), ("bpe", 260)])
def test_the_size_is_a_limit_that_counts_special_tokens(kind, smallest):
    assert trained(kind, vocab_size=smallest).vocab_size == smallest
    with pytest.raises(RequestError, match=rf"vocab_size={smallest - 1} is too small: .*give at least {smallest}\."):
        trained(kind, vocab_size=smallest - 1)
    with pytest.raises(RequestError, match="min_count=0 is no count"):
        trained(kind, min_count=0)


def test_clean_joins_halves_and_replaces_what_is_alone():
    assert clean("a\ud83d\ude00B\ud83d", lowercase=True) == "a\N{GRINNING FACE}b\N{REPLACEMENT CHARACTER}"


def test_unknown_kinds_are_refused():
    with pytest.raises(RequestError, match=r"There is no tokenizer 'words'\. Did you mean word"):
        trained("words")
    with pytest.raises(RequestError, match="There is no tokenizer 'None'"):
        tokenizer_from_dict({})


@pytest.mark.parametrize(
    ("values", "what"),
    [
        ({"kind": "char", "lowercase": False}, "'characters'"),
        ({"kind": "word", "lowercase": False, "words": ["a", "a"]}, "a piece occurs twice"),
        ({"kind": "bpe", "lowercase": False, "merges": ["a b", "abc d"]}, "'abc d' comes before its parts"),
        ({"kind": "bpe", "lowercase": False, "merges": ["ab"]}, "not enough values"),
        ({"kind": "bpe", "lowercase": False, "merges": None}, "not iterable"),
    ],
)
def test_damaged_values_are_refused(values, what):
    with pytest.raises(RequestError, match=rf"The saved {values['kind']} tokenizer is damaged \(.*{what}"):
        tokenizer_from_dict(values)
