"""The contract every translator keeps, over its yamls in configs/model, and facts about each."""

import pytest
import torch
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
from sensorium.models.text.rnn_seq2seq import RNNSeq2Seq
from sensorium.models.text.transformer_seq2seq import TransformerSeq2Seq
from sensorium.nn.flops import count_parameters

DATA = {"source_vocab_size": 15, "target_vocab_size": 20, "pad_id": 0}
RECURRENT = {**DATA, "embedding_size": 6, "hidden_size": 8}
TRANSFORMER = {**DATA, "width": 8, "heads": 2, "depth": 2, "hidden": 12}

PARAMETERS = {  # for 100 and 200 tokens
    # tables 300 * 256; encoder 2 * 1024 * (512 + 2); bridges 2 * 513 * 256; keys and values 2 * 512 * 256;
    # decoder 1024 * (512 + 2); combined 257 * 256
    "rnn_seq2seq": 2_246_400,
    # tables 300 * 256; six blocks of 4 * 257 * 256 + 257 * 1024 + 1025 * 256 + 1024, to which three add
    # 4 * 257 * 256 + 512 for looking at the source; last normalisations 2 * 512
    "transformer_seq2seq": 5_607_424,
}
VARIANTS = {
    "luong": ("rnn_seq2seq", RECURRENT),
    "luong of two layers": ("rnn_seq2seq", {**RECURRENT, "num_layers": 2, "tie_embeddings": False}),
    "luong of gru": ("rnn_seq2seq", {**RECURRENT, "cell": "gru"}),
    "luong with feeding": ("rnn_seq2seq", {**RECURRENT, "input_feeding": True}),
    "luong with coverage": ("rnn_seq2seq", {**RECURRENT, "input_feeding": True, "coverage": True, "num_layers": 2}),
    "bahdanau": ("rnn_seq2seq", {**RECURRENT, "attention": "bahdanau"}),
    "bahdanau with coverage": ("rnn_seq2seq", {**RECURRENT, "attention": "bahdanau", "coverage": True, "cell": "gru"}),
    "shared": ("rnn_seq2seq", {**RECURRENT, "target_vocab_size": 15, "share_embeddings": True}),
    "transformer": ("transformer_seq2seq", TRANSFORMER),
    "transformer untied": ("transformer_seq2seq", {**TRANSFORMER, "tie_embeddings": False, "attention_dropout": 0.1}),
    "transformer shared": ("transformer_seq2seq", {**TRANSFORMER, "target_vocab_size": 15, "share_embeddings": True}),
}
variants = pytest.mark.parametrize(("name", "overrides"), VARIANTS.values(), ids=VARIANTS)
names = pytest.mark.parametrize("name", sorted(PARAMETERS))


def test_every_yaml_of_a_translator_has_a_case() -> None:
    table = "PARAMETERS in tests/models/test_translation_models.py"
    assert_every_yaml_has_a_row(yamls_of("text", DATA), PARAMETERS, table=table)


def build(name: str, **overrides: object) -> nn.Module:
    torch.manual_seed(0)
    model = instantiate(OmegaConf.load(MODELS / f"{name}.yaml"), **overrides)
    for key, parameter in model.named_parameters():
        if key.endswith("covered"):  # starts at zero, and would hide mistakes
            nn.init.normal_(parameter)
    return model


def pairs() -> tuple[Tensor, Tensor, Tensor]:
    """Sources of 6, 1 and 4 tokens with their lengths, and targets to read."""
    generator = torch.Generator().manual_seed(1)
    lengths = torch.tensor([6, 1, 4])
    source = torch.randint(4, 15, (3, 6), generator=generator).masked_fill(torch.arange(6) >= lengths[:, None], 0)
    return source, lengths, torch.randint(4, 15, (3, 5), generator=generator)


@names
def test_size(name: str) -> None:
    model = build(name, source_vocab_size=100, target_vocab_size=200, pad_id=0)
    assert count_parameters(model) == PARAMETERS[name]


@variants
def test_contract(name: str, overrides: dict[str, object]) -> None:
    model, batch = build(name, **overrides), pairs()
    assert model.training
    (model(*batch).softmax(2) ** 2).sum().backward()
    assert_everything_learns(model)

    model.eval()
    with torch.no_grad():
        logits = model(*batch)
    assert logits.shape == (3, 5, overrides["target_vocab_size"])
    assert logits.isfinite().all()

    assert_weights_are_all(model, build(name, **overrides), *batch)
    assert_shards_answer_alike(model, *batch)


@variants
def test_steps_equal_the_whole(name: str, overrides: dict[str, object]) -> None:
    """One hypothesis a sentence, and three that share a row of memory."""
    model, (source, lengths, target_in) = build(name, **overrides).eval(), pairs()
    with torch.no_grad():
        whole = model(source, lengths, target_in)
        for k in (1, 3):
            memory, state = model.encode(source, lengths)
            assert all(part.shape[0] == 3 for part in memory + state)
            before = [part.clone() for part in memory]
            state = tuple(part.repeat_interleave(k, 0) for part in state)
            for place in range(5):
                logits, state = model.step(target_in[:, place].repeat_interleave(k), memory, state)
                torch.testing.assert_close(logits, whole[:, place].repeat_interleave(k, 0))
            assert all(map(torch.equal, memory, before))


@variants
def test_hypotheses_of_a_sentence_do_not_mix(name: str, overrides: dict[str, object]) -> None:
    model, (source, lengths, target_in) = build(name, **overrides).eval(), pairs()
    other = target_in.flip(1)
    with torch.no_grad():
        memory, state = model.encode(source, lengths)
        state = tuple(part.repeat_interleave(2, 0) for part in state)
        for place in range(5):
            tokens = torch.stack([target_in[:, place], other[:, place]], dim=1).flatten()
            logits, state = model.step(tokens, memory, state)
        torch.testing.assert_close(logits[0::2], model(source, lengths, target_in)[:, -1])
        torch.testing.assert_close(logits[1::2], model(source, lengths, other)[:, -1])


@variants
def test_padding_changes_nothing(name: str, overrides: dict[str, object]) -> None:
    model, (source, lengths, target_in) = build(name, **overrides).eval(), pairs()
    with torch.no_grad():
        logits, weights = model(source, lengths, target_in), model.attention(source, lengths, target_in)
        for row, length in enumerate(lengths.tolist()):
            alone = source[row : row + 1, :length], lengths[row : row + 1], target_in[row : row + 1, :3]
            torch.testing.assert_close(model(*alone)[0], logits[row, :3])
            torch.testing.assert_close(model.attention(*alone)[0], weights[row, :3, :length])
        noise = source.masked_fill(source == 0, 7)
        torch.testing.assert_close(model(noise, lengths, target_in), logits)


@variants
def test_attention_is_a_distribution_over_words(name: str, overrides: dict[str, object]) -> None:
    model, (source, lengths, target_in) = build(name, **overrides).eval(), pairs()
    with torch.no_grad():
        weights = model.attention(source, lengths, target_in)
    assert weights.shape == (3, 5, 6)
    torch.testing.assert_close(weights.sum(2), torch.ones(3, 5))
    assert not weights[1, :, 1:].any()
    assert (weights[0] > 0).all()


@variants
def test_nothing_looks_ahead(name: str, overrides: dict[str, object]) -> None:
    model, (source, lengths, target_in) = build(name, **overrides).eval(), pairs()
    changed = target_in.clone()
    changed[:, 2] = (changed[:, 2] + 1) % 15
    with torch.no_grad():
        different = (model(source, lengths, target_in) - model(source, lengths, changed)).abs().amax((0, 2)) > 1e-7
    assert different.tolist() == [False, False, True, True, True]


@variants
def test_tied_and_shared_weights_are_one_tensor(name: str, overrides: dict[str, object]) -> None:
    model = build(name, **overrides)
    assert (model.head.weight is model.embedding.weight) == overrides.get("tie_embeddings", True)
    assert (model.source_embedding is model.embedding) == overrides.get("share_embeddings", False)


@names
def test_unknown_keyword_is_refused(name: str) -> None:
    with pytest.raises(InstantiationException, match="unexpected keyword argument 'widht'"):
        build(name, **DATA, widht=1)


@names
def test_a_default_has_one_value(name: str) -> None:
    assert_defaults_agree(name, DATA)


def test_luong_equals_its_equations() -> None:
    """The fused decoder against one target position after the other, with cells of PyTorch."""
    model, (source, lengths, target_in) = RNNSeq2Seq(**RECURRENT).eval(), pairs()
    cell = nn.LSTMCell(6, 8)
    for (_, value), target in zip(model.decoder.layers[0][0].named_parameters(), cell.parameters(), strict=True):
        target.data = value.data
    packed = nn.utils.rnn.pack_padded_sequence(
        model.source_embedding(source), lengths, batch_first=True, enforce_sorted=False
    )
    encoder = nn.LSTM(6, 8, bidirectional=True, batch_first=True)
    for direction, suffix in enumerate(("", "_reverse")):
        for kind, value in model.encoder.layers[0][direction].named_parameters():
            getattr(encoder, kind + suffix).data = value.data
    written, (hidden, state) = encoder(packed)
    memory, _ = nn.utils.rnn.pad_packed_sequence(written, batch_first=True)
    h = torch.tanh(model.bridges[0](torch.cat([*hidden], dim=1)))
    c = model.bridges[1](torch.cat([*state], dim=1))
    steps = []
    for place in range(5):
        h, c = cell(model.embedding(target_in[:, place]), (h, c))
        scores = torch.einsum("bsm,hm,bh->bs", memory, model.attend.key.weight, h)
        weights = scores.masked_fill(torch.arange(6) >= lengths[:, None], -torch.inf).softmax(1)
        context = torch.einsum("bs,bsm->bm", weights, memory)
        features = torch.tanh(model.combine(h) + context @ model.values.weight.T)
        steps.append(features @ model.embedding.weight.T)
    torch.testing.assert_close(model(source, lengths, target_in), torch.stack(steps, dim=1))


def test_coverage_is_the_sum_of_earlier_weights() -> None:
    name, overrides = VARIANTS["luong with coverage"]
    model, (source, lengths, target_in) = build(name, **overrides).eval(), pairs()
    memory, state = model.encode(source, lengths)
    assert not state[-1].any()
    for place in range(3):
        _, state = model.step(target_in[:, place], memory, state)
    torch.testing.assert_close(state[-1], model.attention(source, lengths, target_in)[:, :3].sum(1))


@pytest.mark.filterwarnings("ignore:enable_nested_tensor")
def test_transformer_equals_pytorch() -> None:
    model = TransformerSeq2Seq(**TRANSFORMER).eval()
    options = {"dropout": 0.0, "activation": "gelu", "batch_first": True, "norm_first": True}
    reference = nn.Transformer(8, 2, 2, 2, 12, **options).eval()
    for ours, theirs in zip(model.encoder, reference.encoder.layers, strict=True):
        _copy(ours.attention, theirs.self_attn)
        _copy_feed_forward(ours, theirs)
    for ours, theirs in zip(model.decoder, reference.decoder.layers, strict=True):
        _copy(ours.attention, theirs.self_attn)
        _copy(ours.cross_attention, theirs.multihead_attn)
        _copy_feed_forward(ours, theirs)
    source, lengths, target_in = pairs()
    padding = torch.arange(6) >= lengths[:, None]
    x = model.positions(model.source_embedding(source) * 8**0.5)
    y = model.positions(model.embedding(target_in) * 8**0.5)
    later = torch.ones(5, 5, dtype=torch.bool).triu(1)
    features = reference(
        x, y, tgt_mask=later, src_key_padding_mask=padding, memory_key_padding_mask=padding
    )  # its stacks end with a normalisation too
    torch.testing.assert_close(model(source, lengths, target_in), features @ model.embedding.weight.T)


def _copy(ours: nn.Module, theirs: nn.MultiheadAttention) -> None:
    theirs.in_proj_weight.data, theirs.in_proj_bias.data = ours.in_projection.weight, ours.in_projection.bias
    theirs.out_proj.load_state_dict(ours.out_projection.state_dict())


def _copy_feed_forward(ours: nn.Module, theirs: nn.Module) -> None:
    theirs.linear1.load_state_dict(ours.feed_forward[0].state_dict())
    theirs.linear2.load_state_dict(ours.feed_forward[3].state_dict())


@pytest.mark.parametrize(
    ("name", "wrong", "message"),
    [
        ("rnn_seq2seq", {"attention": "loung"}, "Did you mean luong"),
        ("rnn_seq2seq", {"cell": "lstn"}, "Did you mean lstm"),
        ("rnn_seq2seq", {"attention": "bahdanau", "input_feeding": True}, "input_feeding=true belongs to"),
        ("rnn_seq2seq", {"coverage": True}, "coverage=true needs a step-by-step decoder"),
        ("rnn_seq2seq", {"share_embeddings": True}, "the source has 15 tokens and the target 20"),
        ("transformer_seq2seq", {"share_embeddings": True}, "the source has 15 tokens and the target 20"),
        ("transformer_seq2seq", {"width": 10}, "width 10 does not divide by heads 4"),
    ],
)
def test_what_cannot_work_is_refused(name: str, wrong: dict[str, object], message: str) -> None:
    with pytest.raises(InstantiationException) as caught:
        build(name, **DATA, **wrong)
    with pytest.raises(RequestError, match=message):
        raise caught.value.__cause__
