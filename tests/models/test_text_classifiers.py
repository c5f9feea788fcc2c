"""The contract every text classifier keeps, over every yaml of one in configs/model, and facts about each."""

import pytest
import torch
import torch.nn.functional as F
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import OmegaConf
from torch import Tensor, nn

from model_contract import (
    MODELS,
    assert_defaults_agree,
    assert_every_yaml_has_a_row,
    assert_everything_learns,
    assert_only_the_head_depends,
    assert_shards_answer_alike,
    assert_weights_are_all,
    yamls_of,
)
from sensorium.errors import RequestError
from sensorium.models.text.bag_of_embeddings import BagOfEmbeddings, hash_ngrams
from sensorium.models.text.cnn_text import CNNText
from sensorium.models.text.lstm_classifier import LSTMClassifier
from sensorium.models.text.transformer_classifier import TransformerClassifier
from sensorium.nn.flops import count_parameters
from sensorium.nn.positions import sinusoidal_table

DATA = {"vocab_size": 1000, "pad_id": 0, "num_classes": 3}
TINY = {"vocab_size": 30, "pad_id": 0, "num_classes": 3}

PARAMETERS = {
    # table 1000 * 200; two directions of 4 * 128 * (200 + 128 + 2); head 257 * 3
    "lstm_classifier": 538_691,
    # table 1000 * 300; filters 100 * (300 * (3 + 4 + 5) + 3); head 301 * 3
    "cnn_text": 661_203,
    # tables (1000 + 100,001) * 16, one row for padding among n-grams; head 17 * 3
    "bag_of_embeddings": 1_616_067,
    # table 1000 * 128; two blocks of 12 * 128 * 128 + 13 * 128; last normalisation 256; head 129 * 3
    "transformer_classifier": 525_187,
}
VARIANTS = [
    *((name, {}) for name in PARAMETERS),
    ("lstm_classifier", {"cell": "gru", "pooling": "attention", "num_layers": 2}),
    ("lstm_classifier", {"pooling": "last"}),
    ("lstm_classifier", {"pooling": "mean", "bidirectional": False}),
    ("bag_of_embeddings", {"ngrams": 1}),
    ("bag_of_embeddings", {"ngrams": 6, "buckets": 50}),
]
variants = pytest.mark.parametrize(("name", "overrides"), VARIANTS)
names = pytest.mark.parametrize("name", sorted(PARAMETERS))


def test_every_yaml_of_a_text_classifier_has_a_case() -> None:
    table = "PARAMETERS in tests/models/test_text_classifiers.py"
    assert_every_yaml_has_a_row(yamls_of("text", DATA), PARAMETERS, table=table)


def build(name: str, **overrides: object) -> nn.Module:
    torch.manual_seed(0)
    return instantiate(OmegaConf.load(MODELS / f"{name}.yaml"), **{**DATA, **overrides})


def texts() -> tuple[Tensor, Tensor]:
    """Four texts, padded: of one token, shorter and longer than the widest filter."""
    lengths = torch.tensor([1, 3, 12, 7])
    tokens = torch.randint(4, 1000, (4, 12), generator=torch.Generator().manual_seed(1))
    return tokens.masked_fill(torch.arange(12) >= lengths[:, None], 0), lengths


@variants
def test_contract(name: str, overrides: dict[str, object]) -> None:
    model, (tokens, lengths) = build(name, **overrides), texts()
    assert model.training
    assert isinstance(model.embedding, nn.Embedding)
    if not overrides:
        assert count_parameters(model) == PARAMETERS[name]

    model(tokens, lengths).square().sum().backward()
    assert_everything_learns(model)

    model.eval()
    with torch.no_grad():
        logits = model(tokens, lengths)
    assert logits.shape == (4, 3)
    assert logits.isfinite().all()

    assert_weights_are_all(model, build(name, **overrides), tokens, lengths)
    assert_shards_answer_alike(model, tokens, lengths)


@variants
def test_padding_changes_nothing(name: str, overrides: dict[str, object]) -> None:
    model, (tokens, lengths) = build(name, **overrides).eval(), texts()
    with torch.no_grad():
        logits = model(tokens, lengths)
        for row, length in enumerate(lengths.tolist()):
            alone = model(tokens[row : row + 1, :length], lengths[row : row + 1])
            torch.testing.assert_close(alone[0], logits[row], atol=1e-5, rtol=1e-4)
        noise = torch.where(tokens == 0, 5, tokens)  # whatever stands behind the end
        torch.testing.assert_close(model(noise, lengths), logits, atol=1e-5, rtol=1e-4)


@variants
def test_the_word_order_matters_unless_words_are_counted_alone(name: str, overrides: dict[str, object]) -> None:
    model = build(name, **overrides).eval()
    with torch.no_grad():
        one, other = model(torch.tensor([[5, 6, 7], [6, 5, 7]]), torch.tensor([3, 3]))
    assert torch.allclose(one, other, atol=1e-6) == (overrides.get("ngrams") == 1)


@names
def test_only_the_head_depends_on_the_classes(name: str) -> None:
    assert_only_the_head_depends(build, name, on="num_classes")


@names
def test_unknown_keyword_is_refused(name: str) -> None:
    with pytest.raises(InstantiationException, match="unexpected keyword argument 'droput'"):
        build(name, droput=0.1)


@names
def test_a_default_has_one_value(name: str) -> None:
    assert_defaults_agree(name, DATA)


@names
def test_dropped_words_change_training_only(name: str) -> None:
    dropouts = {"dropout": 0.0, "word_dropout": 1.0}
    model = build(name, **dropouts)
    lengths = torch.tensor([3])
    one, other, unknown = torch.tensor([[5, 6, 7]]), torch.tensor([[8, 9, 4]]), torch.tensor([[1, 1, 1]])
    assert torch.equal(model(one, lengths), model(other, lengths))
    trained = model(one, lengths)
    model.eval()
    torch.testing.assert_close(model(unknown, lengths), trained)
    assert not torch.allclose(model(one, lengths), model(other, lengths))


def test_last_pooling_takes_the_state_in_which_each_direction_ends() -> None:
    torch.manual_seed(0)
    model = LSTMClassifier(**TINY, embedding_size=4, hidden_size=5, pooling="last").eval()
    forward, backward = model.recurrent.layers[0]
    with torch.no_grad():
        x = model.embedding(torch.tensor([[4, 5, 6]]))
        ends = torch.cat([forward(x)[1][0][0], backward(x.flip(1))[1][0][0]], dim=1)
        logits = model(torch.tensor([[4, 5, 6, 0, 0]]), torch.tensor([3]))
    torch.testing.assert_close(logits, model.head(ends))


def test_convolutions_are_those_of_a_loop_over_windows() -> None:
    torch.manual_seed(0)
    model = CNNText(**TINY, embedding_size=4, widths=[2, 5], filters=3).eval()
    text = [7, 8, 9]  # shorter than the wider window
    features = []
    for width, conv in zip((2, 5), model.convs, strict=True):
        zero = torch.zeros(4)
        vectors = [zero] * (width - 1) + [model.embedding.weight[token] for token in text] + [zero] * (width - 1)
        for out in range(3):
            sums = []
            for start in range(len(vectors) - width + 1):
                window = [conv.weight[out, :, i] @ vectors[start + i] for i in range(width)]
                sums.append(torch.relu(sum(window) + conv.bias[out]))
            features.append(max(sums))
    expected = model.head(torch.stack(features))
    torch.testing.assert_close(model(torch.tensor([[7, 8, 9, 0, 0, 0]]), torch.tensor([3]))[0], expected)


def test_a_bag_is_the_mean_of_words_and_of_word_pairs() -> None:
    model = BagOfEmbeddings(**TINY, embedding_size=1, ngrams=2, buckets=100_000).eval()
    tokens, lengths = torch.tensor([[4, 5, 4], [6, 0, 0]]), torch.tensor([3, 1])
    pairs = hash_ngrams(tokens, 2, 100_000)[0]
    assert pairs[0] != pairs[1]
    with torch.no_grad():
        model.embedding.weight[4], model.embedding.weight[5], model.embedding.weight[6] = 1.0, 10.0, 7.0
        model.ngram_embedding.weight[pairs[0]], model.ngram_embedding.weight[pairs[1]] = 100.0, 1000.0
        features = model.features(tokens, lengths)
    # (1 + 10 + 1 + 100 + 1000) / 5; there is no pair in a text of one word
    torch.testing.assert_close(features, torch.tensor([[1112 / 5], [7.0]]))


def wrapped(number: int) -> int:
    """As 64 bits with a sign hold it."""
    return (number + 2**63) % 2**64 - 2**63


def test_buckets_are_those_of_the_formula_in_whole_numbers() -> None:
    """A checkpoint relies on them: they must never change."""
    golden = 11400714819323198485  # 2**64 over the golden ratio, the odd number next to it
    mixed = [wrapped(token * golden) ^ (wrapped(token * golden) >> 32) for token in (4, 5, 999)]
    hashed = wrapped(wrapped(mixed[0] * 116049371 + mixed[1]) * 116049371 + mixed[2])
    expected = (hashed ^ (hashed >> 32)) % 10_000
    assert hash_ngrams(torch.tensor([[4, 5, 999]]), 3, 10_000).tolist() == [[expected]]
    assert hash_ngrams(torch.tensor([[4, 5]]), 2, 10_000).tolist() == [[6915]]


def test_word_pairs_spread_over_the_buckets() -> None:
    pairs = torch.cartesian_prod(torch.arange(4, 104), torch.arange(4, 104))  # 10,000 pairs of frequent words
    buckets = hash_ngrams(pairs, 2, 10_000)
    assert 0 <= buckets.min() <= buckets.max() < 10_000
    assert abs(len(buckets.unique()) - 6321) < 150  # (1 - 1/e) of them, as by chance; standard deviation about 31


def test_attention_over_valid_words_is_pytorchs() -> None:
    torch.manual_seed(0)
    model = TransformerClassifier(**TINY, width=8, heads=2, depth=2, dropout=0.0, word_dropout=0.0).eval()
    theirs = nn.TransformerEncoderLayer(8, 2, 32, 0.0, activation=F.gelu, batch_first=True, norm_first=True)
    tokens, lengths = torch.tensor([[4, 5, 6, 0], [7, 8, 9, 4]]), torch.tensor([3, 4])
    with torch.no_grad():
        x = model.embedding(tokens) * 8**0.5 + sinusoidal_table(4, 8)
        for block in model.blocks:
            attention, mlp = block.attention, block.feed_forward
            theirs.load_state_dict(
                {
                    "self_attn.in_proj_weight": attention.in_projection.weight,
                    "self_attn.in_proj_bias": attention.in_projection.bias,
                    **{
                        f"self_attn.out_proj.{key}": value for key, value in attention.out_projection.named_parameters()
                    },
                    **{f"linear1.{key}": value for key, value in mlp[0].named_parameters()},
                    **{f"linear2.{key}": value for key, value in mlp[3].named_parameters()},
                    **{f"norm1.{key}": value for key, value in block.norm.named_parameters()},
                    **{f"norm2.{key}": value for key, value in block.feed_forward_norm.named_parameters()},
                }
            )
            x = theirs(x, src_key_padding_mask=tokens == 0)
        x = model.norm(x)
        expected = model.head(torch.stack([x[0, :3].mean(0), x[1].mean(0)]))
        torch.testing.assert_close(model(tokens, lengths), expected)


def test_sizes_that_cannot_work_are_refused() -> None:
    with pytest.raises(RequestError, match=r"width 10 is odd or does not divide by heads 4; try width=8\."):
        TransformerClassifier(**TINY, width=10, heads=4)
    with pytest.raises(RequestError, match="try width=6"):
        TransformerClassifier(**TINY, width=9, heads=3)
    with pytest.raises(RequestError, match="are 1 or more, not 0 and 10"):
        BagOfEmbeddings(**TINY, ngrams=0, buckets=10)
    with pytest.raises(RequestError, match=r"no pooling 'avg'"):
        LSTMClassifier(**TINY, pooling="avg")
