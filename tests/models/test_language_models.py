"""The contract every language model keeps, over its yamls in configs/model, and facts about each."""

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
    assert_shards_answer_alike,
    assert_weights_are_all,
    yamls_of,
)
from sensorium.errors import RequestError
from sensorium.models.text.lstm_lm import LSTMLanguageModel
from sensorium.models.text.transformer_lm import TransformerLanguageModel
from sensorium.nn.flops import count_parameters

RECURRENT = {"vocab_size": 20, "embedding_size": 6, "hidden_size": 8}
TRANSFORMER = {"vocab_size": 20, "context": 8, "width": 8, "heads": 2, "depth": 2}

PARAMETERS = {  # for 100 tokens
    # table 100 * 256; LSTM 4 * 512 * (256 + 512 + 2) and 4 * 512 * (1024 + 2); back to 256 * 513; bias 100
    "lstm_lm": 3_835_236,
    # the same with 3 instead of 4
    "gru_lm": 2_915_684,
    # table 100 * 256; four blocks of 12 * 256 * 256 + 13 * 256; last normalisation 512
    "transformer_lm": 3_185_152,
}
VARIANTS = [
    ("lstm_lm", RECURRENT),
    ("lstm_lm", {**RECURRENT, "hidden_size": 6, "weight_dropout": 0.5, "embedding_dropout": 0.2}),
    ("lstm_lm", {**RECURRENT, "tie_weights": False, "num_layers": 3}),
    ("gru_lm", {**RECURRENT, "weight_dropout": 0.5}),
    ("transformer_lm", TRANSFORMER),
    ("transformer_lm", {**TRANSFORMER, "tie_weights": False, "attention_dropout": 0.2, "context": 7}),
]
variants = pytest.mark.parametrize(("name", "overrides"), VARIANTS)
names = pytest.mark.parametrize("name", sorted(PARAMETERS))


def test_every_yaml_of_a_language_model_has_a_case() -> None:
    found = yamls_of("text", ["vocab_size"], without=["num_classes"])
    assert_every_yaml_has_a_row(found, PARAMETERS, table="PARAMETERS in tests/models/test_language_models.py")


def build(name: str, **overrides: object) -> nn.Module:
    torch.manual_seed(0)
    return instantiate(OmegaConf.load(MODELS / f"{name}.yaml"), **overrides)


def texts(time: int = 19) -> Tensor:
    return torch.randint(20, (3, time), generator=torch.Generator().manual_seed(1))


@names
def test_size(name: str) -> None:
    assert count_parameters(build(name, vocab_size=100)) == PARAMETERS[name]


@variants
def test_contract(name: str, overrides: dict[str, object]) -> None:
    model, tokens = build(name, **overrides), texts(8)
    assert model.training
    logits, state = model(tokens)
    logits.square().sum().backward()
    assert_everything_learns(model)

    model.eval()
    with torch.no_grad():
        logits, state = model(tokens)
    assert logits.shape == (3, 8, 20)
    assert logits.isfinite().all()
    assert isinstance(state, tuple)
    assert all(part.shape[0] == 3 for part in state)

    assert_weights_are_all(model, build(name, **overrides), tokens)
    assert_shards_answer_alike(model, tokens)


@variants
@pytest.mark.parametrize("pieces", [[1] * 19, [8, 11], [3, 1, 15]])
def test_a_text_in_pieces_equals_the_whole(name: str, overrides: dict[str, object], pieces: list[int]) -> None:
    """Inside the context of a transformer and beyond it, for each row alone as in the batch."""
    model, tokens, state, parts = build(name, **overrides).eval(), texts(), None, []
    with torch.no_grad():
        whole, _ = model(tokens)
        for piece in tokens.split(pieces, dim=1):
            logits, state = model(piece, state)
            parts.append(logits)
        torch.testing.assert_close(torch.cat(parts, dim=1), whole)
        torch.testing.assert_close(model(tokens[1:2])[0], whole[1:2])


@variants
def test_nothing_looks_ahead(name: str, overrides: dict[str, object]) -> None:
    model, tokens = build(name, **overrides).eval(), texts()
    changed = tokens.clone()
    changed[:, 6] = (changed[:, 6] + 1) % 20
    with torch.no_grad():
        different = (model(tokens)[0] - model(changed)[0]).abs().amax((0, 2)) > 1e-7
    assert not different[:6].any()
    assert different[6:8].all()


@variants
def test_tied_weights_are_one_tensor(name: str, overrides: dict[str, object]) -> None:
    model = build(name, **overrides)
    assert (model.head.weight is model.embedding.weight) == overrides.get("tie_weights", True)


@names
def test_unknown_keyword_is_refused(name: str) -> None:
    with pytest.raises(InstantiationException, match="unexpected keyword argument 'widht'"):
        build(name, vocab_size=5, widht=1)


@names
def test_a_default_has_one_value(name: str) -> None:
    differing = ("cell",) if name == "gru_lm" else ()
    assert_defaults_agree(name, {"vocab_size": 0, "context": 0}, differing=differing)


def test_lstm_equals_pytorch() -> None:
    model = build("lstm_lm", **RECURRENT).eval()
    reference = nn.LSTM(6, 8, num_layers=2, batch_first=True)
    for layer, cells in enumerate(model.recurrent.layers):
        for kind, value in cells[0].named_parameters():
            getattr(reference, kind[:-1] + str(layer)).data = value.data
    outputs, (hidden, cell) = reference(model.embedding(texts()))
    logits, state = model(texts())
    expected = (outputs @ model.projection.weight.T + model.projection.bias) @ model.embedding.weight.T
    torch.testing.assert_close(logits, expected + model.head.bias)
    torch.testing.assert_close(state, (hidden.transpose(0, 1), cell.transpose(0, 1)))


def test_words_are_dropped_whole_and_everywhere() -> None:
    model = LSTMLanguageModel(**RECURRENT, embedding_dropout=0.5)
    vectors = model._embed(torch.arange(20).repeat(2, 1))
    assert torch.equal(vectors[0], vectors[1])
    dropped = (vectors[0] == 0).all(dim=1)
    assert 4 <= dropped.sum() <= 16  # of 20, by a fair coin
    torch.testing.assert_close(vectors[0][~dropped], 2 * model.embedding.weight[~dropped])
    assert torch.equal(model.eval()._embed(torch.arange(20)[None])[0], model.embedding.weight)


@pytest.mark.parametrize("kind", ["input", "hidden", "output", "weight"])
def test_each_dropout_acts_in_training_only(kind: str) -> None:
    off = {f"{part}_dropout": 0.0 for part in ("input", "hidden", "output", "weight")}
    model = LSTMLanguageModel(**RECURRENT, **{**off, f"{kind}_dropout": 0.5})
    assert not torch.equal(model(texts())[0], model(texts())[0])
    model.eval()
    assert torch.equal(model(texts())[0], model(texts())[0])


def test_the_last_half_of_a_full_context_is_read_again() -> None:
    """Token 8 of a context of 8 is read after tokens 4 to 7 only; token 12 after 8 to 11."""
    model = build("transformer_lm", **TRANSFORMER).eval()
    tokens = texts()
    with torch.no_grad():
        whole, state = model(tokens)
        torch.testing.assert_close(whole[:, 8:12], model(tokens[:, 4:12])[0][:, 4:])
        torch.testing.assert_close(whole[:, 12:16], model(tokens[:, 8:16])[0][:, 4:])
    assert torch.equal(state[0], tokens[:, 12:])
    assert state[1].shape == (3, 2, 7, 4)


def test_transformer_equals_pytorch() -> None:
    """One block without its positions, which the rotation of a single token at place 0 does not change."""
    model = TransformerLanguageModel(**{**TRANSFORMER, "depth": 1, "dropout": 0.0})
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.5)
    block = model.blocks[0]
    x = model.embedding(texts(1))
    value = F.linear(
        block.norm(x), block.attention.in_projection.weight[16:], block.attention.in_projection.bias[16:]
    )  # one token looks at itself with weight 1
    x = x + block.attention.out_projection(value)
    x = x + block.feed_forward(block.feed_forward_norm(x))
    torch.testing.assert_close(model(texts(1))[0], model.norm(x) @ model.embedding.weight.T)


def test_only_a_recurrent_state_is_carried_in_training() -> None:
    assert LSTMLanguageModel.carries_state
    assert not TransformerLanguageModel.carries_state


@pytest.mark.parametrize(
    ("name", "wrong", "message"),
    [
        ("transformer_lm", {"width": 20, "heads": 3}, r"width 20 does not divide into 3 heads .* try width=18\."),
        ("transformer_lm", {"context": 1}, "context is at least 2 tokens, not 1"),
        ("lstm_lm", {"cell": "gruu"}, "Did you mean gru"),
    ],
)
def test_what_cannot_work_is_refused(name: str, wrong: dict[str, object], message: str) -> None:
    with pytest.raises(InstantiationException) as caught:
        build(name, vocab_size=5, **wrong)
    with pytest.raises(RequestError, match=message):
        raise caught.value.__cause__
