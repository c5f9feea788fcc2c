"""The contract every recogniser keeps, over every yaml of one in configs/model, and facts about each."""

import itertools

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
from sensorium.models.audio.deep_rnn import DeepRNN
from sensorium.models.audio.deepspeech2 import DeepSpeech2
from sensorium.models.audio.streaming_rnn import Lookahead, StreamingRNN
from sensorium.nn.flops import count_parameters

DATA = {"num_features": 40, "vocab_size": 30}
SMALL = {"num_features": 6, "vocab_size": 5}
TINY = {
    "deep_rnn": {"hidden_size": 8, "num_layers": 2, "dropout": 0.0},
    "deepspeech2": {"channels": 3, "hidden_size": 8, "num_layers": 2, "dropout": 0.0},
    "streaming_rnn": {"hidden_size": 8, "lookahead": 2, "dropout": 0.0},
    "conformer_ctc": {"width": 8, "depth": 2, "heads": 2, "kernel_size": 5, "dropout": 0.0},
}

PARAMETERS = {
    # two directions of 4 * 128 * (120 + 128 + 2), and twice of 4 * 128 * (256 + 128 + 2); head 257 * 30
    "deep_rnn": 1_054_238,
    # convolutions 32 * (121 + 1) and 32 * (32 * 35 + 1), norms of 2 * 640 and 2 * 320; norms of 2 * 320 and two
    # directions of 3 * 160 * (320 + 160 + 2), three times; norm 2 * 320; head 321 * 30
    "deepspeech2": 1_442_046,
    # 4 * 256 * (120 + 256 + 2), 4 * 256 * (256 + 256 + 2); look-ahead 256 * 9; head 257 * 30
    "streaming_rnn": 923_422,
    # convolutions 32 * (15 + 1) and 32 * (32 * 9 + 1); projection 321 * 144; four blocks of two feed-forward parts
    # (2 * 144 + 145 * 576 + 577 * 144), attention (2 * 144 + 145 * 576), a convolution module
    # (4 * 144 + 145 * 432 + 16 * 144) and a norm 2 * 144; head 145 * 30
    "conformer_ctc": 1_993_966,
}
VARIANTS = [
    *((name, {}) for name in PARAMETERS),
    *((name, {"factor": factor}) for name in PARAMETERS for factor in (1, 2, 4)),
    ("deep_rnn", {"subsampling": "conv"}),
    ("deep_rnn", {"subsampling": "conv", "factor": 4, "cell": "gru", "bidirectional": False}),
    ("deepspeech2", {"cell": "lstm"}),
    ("streaming_rnn", {"lookahead": 0}),
    ("streaming_rnn", {"cell": "gru", "lookahead": 20}),
    ("conformer_ctc", {"subsampling": "stack"}),
]
variants = pytest.mark.parametrize(("name", "overrides"), VARIANTS)
names = pytest.mark.parametrize("name", sorted(PARAMETERS))


def test_every_yaml_of_a_recogniser_has_a_case() -> None:
    table = "PARAMETERS in tests/models/test_speech_models.py"
    assert_every_yaml_has_a_row(yamls_of("audio", DATA), PARAMETERS, table=table)


def build(name: str, **overrides: object) -> nn.Module:
    torch.manual_seed(0)
    section = OmegaConf.load(MODELS / f"{name}.yaml")
    section.pop("adamw_lr", None)  # for the optimizer
    return instantiate(section, **{**DATA, **overrides})


def tiny(name: str, **overrides: object) -> nn.Module:
    return build(name, **{**SMALL, **TINY[name], **overrides})


def sounds(rows: int = 17, longest: int = 20) -> tuple[Tensor, Tensor]:
    """Utterances of 1, 2, 3 ... frames, with noise behind their ends."""
    generator = torch.Generator().manual_seed(1)
    return torch.randn(rows, longest, SMALL["num_features"], generator=generator), torch.arange(1, rows + 1)


@names
def test_size(name: str) -> None:
    assert count_parameters(build(name)) == PARAMETERS[name]


@variants
def test_contract(name: str, overrides: dict[str, object]) -> None:
    model, (features, lengths) = tiny(name, **overrides), sounds()
    assert model.training
    log_probs, shorter = model(features, lengths)
    F.ctc_loss(
        log_probs.transpose(0, 1), torch.ones(len(lengths), 1), shorter, torch.ones(len(lengths)).long()
    ).backward()
    assert_everything_learns(model)

    model.eval()
    with torch.no_grad():
        log_probs, shorter = model(features, lengths)
    assert log_probs.shape == (17, -(-20 // overrides.get("factor", 3)), 5)
    assert log_probs.dtype == torch.float32
    assert shorter.dtype == torch.int64
    torch.testing.assert_close(log_probs.exp().sum(2), torch.ones(log_probs.shape[:2]))

    assert_weights_are_all(model, tiny(name, **overrides), features, lengths)
    assert_shards_answer_alike(model, features, lengths)


@variants
def test_lengths_are_exact(name: str, overrides: dict[str, object]) -> None:
    model, factor = tiny(name, **overrides).eval(), overrides.get("factor", 3)
    with torch.no_grad():
        for time in range(1, 26):
            log_probs, lengths = model(torch.zeros(1, time, 6), torch.tensor([time]))
            assert log_probs.shape[1] == lengths.item() == len(range(0, time, factor))
    assert model.output_lengths(torch.arange(26)).tolist() == [len(range(0, time, factor)) for time in range(26)]


@variants
@pytest.mark.parametrize("training", [False, True])
def test_padding_changes_nothing(name: str, overrides: dict[str, object], training: bool) -> None:
    model, (features, lengths) = tiny(name, **overrides).train(training), sounds()
    with torch.no_grad():
        log_probs, shorter = model(features, lengths)
        for row, length in enumerate(lengths.tolist()):
            alone, (frames,) = model(features[row : row + 1, :length], lengths[row : row + 1])
            assert shorter[row] == frames == alone.shape[1]
            torch.testing.assert_close(alone[0], log_probs[row, :frames], atol=1e-5, rtol=1e-5)


@names
def test_no_stored_number_changes_by_listening(name: str) -> None:
    model, before = tiny(name), tiny(name).state_dict()
    model(*sounds())
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


@names
def test_log_probabilities_are_of_single_precision_in_low_precision_too(name: str) -> None:
    model, (features, lengths) = tiny(name).eval(), sounds()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        log_probs, _ = model(features, lengths)
    assert log_probs.dtype == torch.float32
    torch.testing.assert_close(log_probs.exp().sum(2), torch.ones(log_probs.shape[:2]))


@names
def test_dropout_is_for_training(name: str) -> None:
    model, (features, lengths) = tiny(name, dropout=0.5), sounds()
    with torch.no_grad():
        assert not torch.equal(model(features, lengths)[0], model(features, lengths)[0])
        model.eval()
        assert torch.equal(model(features, lengths)[0], model(features, lengths)[0])


@names
def test_three_utterances_are_learnt_by_heart(name: str) -> None:
    """Five letters of three frames each, a repeated one among them, to not one error."""
    model = tiny(
        name, **{"deep_rnn": {"hidden_size": 24}, "streaming_rnn": {"hidden_size": 24}}.get(name, {}), factor=2
    )
    texts = [[1, 2, 3, 4, 1], [4, 2, 2, 1], [3, 3]]
    generator = torch.Generator().manual_seed(2)
    features = torch.randn(3, 24, 6, generator=generator)
    lengths, counts = torch.tensor([24, 17, 9]), torch.tensor([len(text) for text in texts])
    targets = torch.tensor(list(itertools.chain(*texts)))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(150):
        log_probs, shorter = model(features, lengths)
        loss = F.ctc_loss(log_probs.transpose(0, 1), targets, shorter, counts)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        log_probs, shorter = model(features, lengths)
    read = [
        [key for key, _ in itertools.groupby(row[:n].tolist()) if key]
        for row, n in zip(log_probs.argmax(2), shorter, strict=True)
    ]
    assert read == texts
    assert loss < 0.1


@names
def test_only_the_head_depends_on_the_vocabulary(name: str) -> None:
    assert_only_the_head_depends(tiny, name, on="vocab_size")


@names
def test_unknown_keyword_is_refused(name: str) -> None:
    with pytest.raises(InstantiationException, match="unexpected keyword argument 'droput'"):
        build(name, droput=0.1)


@names
def test_a_default_has_one_value(name: str) -> None:
    assert_defaults_agree(name, DATA)


# -- deep_rnn and deepspeech2


def test_deep_rnn_reads_both_ways_unless_told_not_to() -> None:
    for bidirectional in (True, False):
        model = tiny("deep_rnn", bidirectional=bidirectional).eval()
        assert influence(model, of=17)[0] == (0 if bidirectional else 5)


def test_deepspeech2_is_its_parts_one_after_the_other() -> None:
    model = tiny("deepspeech2", cell="gru", num_layers=1).eval()
    x = torch.randn(1, 7, 6)
    with torch.no_grad():
        inner = x[:, None]
        for part in model.convs:
            inner = part.conv.conv(inner)  # (1, 3, T, F)
            flat = inner.transpose(1, 2).flatten(2)
            normal = (flat - flat.mean(2, keepdim=True)) / (flat.var(2, keepdim=True, correction=0) + 1e-5).sqrt()
            inner = normal.unflatten(2, (3, -1)).transpose(1, 2).relu()
        (layer,) = model.layers
        gru = nn.GRU(6, 8, batch_first=True, bidirectional=True)
        gru.load_state_dict(
            {
                key + end: value
                for cell, end in zip(layer.recurrent.layers[0], ("", "_reverse"), strict=True)
                for key, value in cell.state_dict().items()
            }
        )
        outputs, _ = gru(layer.norm(inner.transpose(1, 2).flatten(2)))
        expected = model.head(model.norm(outputs)).log_softmax(2)
        torch.testing.assert_close(model(x, torch.tensor([7]))[0], expected)


# -- streaming_rnn


def influence(model: nn.Module, of: int, time: int = 30) -> list[int]:
    """The frames of log-probabilities that change with frame number `of`."""
    x = torch.randn(1, time, 6, generator=torch.Generator().manual_seed(3))
    other = x.clone()
    other[0, of] += 1
    with torch.no_grad():
        one, two = (model(x, torch.tensor([time]))[0] for x in (x, other))
    return (one != two).any(2)[0].nonzero().flatten().tolist()


@pytest.mark.parametrize(("factor", "lookahead"), [(1, 0), (3, 0), (3, 2), (4, 5)])
def test_streaming_waits_for_so_many_frames_and_no_more(factor: int, lookahead: int) -> None:
    model = tiny("streaming_rnn", factor=factor, lookahead=lookahead).eval()
    nn.init.ones_(model.lookahead.weight)
    changed = influence(model, of=17)
    first = max(17 // factor - lookahead, 0)
    assert changed == list(range(first, -(-30 // factor)))


PIECES = [
    *([size] * 40 for size in (1, 2, 3, 4, 5, 7, 10, 31, 40)),
    [0, 0, 1, 0, 6, 13, 0, 2, 1, 1, 9, 7, 0],
    [39, 1],
    [1, 39],
]


@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize(("factor", "lookahead"), [(1, 0), (1, 3), (2, 1), (3, 0), (3, 2), (4, 20)])
def test_streamed_pieces_are_the_whole(cell: str, factor: int, lookahead: int) -> None:
    model = tiny("streaming_rnn", cell=cell, factor=factor, lookahead=lookahead).eval()
    nn.init.normal_(model.lookahead.weight)
    for time in (1, 2, 3, 19, 40):
        features = torch.randn(2, time, 6)
        with torch.no_grad():
            whole, _ = model(features, torch.tensor([time, time]))
            for sizes in PIECES:
                state, found, start = None, [], 0
                for size in sizes:
                    log_probs, state = model.stream(features[:, start : start + size], state)
                    start += size
                    found.append(log_probs)
                    heard = min(start, time) // factor
                    assert sum(part.shape[1] for part in found) == max(heard - lookahead, 0)
                found.append(model.flush(state))
                torch.testing.assert_close(torch.cat(found, dim=1), whole, atol=1e-5, rtol=1e-5)


def test_a_stream_of_nothing_is_nothing() -> None:
    model = tiny("streaming_rnn").eval()
    log_probs, state = model.stream(torch.zeros(2, 0, 6))
    assert log_probs.shape == model.flush(state).shape == (2, 0, 5)
    assert model.flush(None).shape == (1, 0, 5)


def test_what_is_remembered_does_not_grow() -> None:
    model = tiny("streaming_rnn").eval()
    state, sizes = None, []
    with torch.no_grad():
        for _ in range(30):
            _, state = model.stream(torch.randn(1, 10, 6), state)
            sizes.append((state.frames.shape[1], state.outputs.shape[1]))
    assert set(sizes) == {(0, 2), (1, 2), (2, 2)}  # frames short of three, and those that look ahead to two
    assert state.frames.untyped_storage().nbytes() == 4 * state.frames.numel()  # not those that were used up
    assert state.outputs.untyped_storage().nbytes() == 4 * 2 * 8


def test_a_look_ahead_is_a_weighted_sum() -> None:
    layer = Lookahead(width=2, frames=2)
    x = torch.tensor([[[1.0, 10], [2, 20], [3, 30], [4, 40]]])
    assert layer(x).tolist() == [[[1, 10], [2, 20]]]
    layer.weight.data = torch.tensor([[[1.0, 0, 2]], [[0, 1, 0]]])
    assert layer(x).tolist() == [[[1 + 2 * 3, 20], [2 + 2 * 4, 30]]]


def test_what_cannot_work_is_refused() -> None:
    with pytest.raises(RequestError, match=r"no subsampling 'convs'\. Did you mean conv\?"):
        DeepRNN(**SMALL, subsampling="convs")
    for model in (DeepRNN, DeepSpeech2, StreamingRNN):
        with pytest.raises(RequestError, match="1 or more, not 0"):
            model(**SMALL, factor=0)
        with pytest.raises(RequestError, match="no recurrent cell 'rnn'"):
            model(**SMALL, cell="rnn")
    with pytest.raises(RequestError, match="lookahead is a number of frames, 0 or more, not -1"):
        StreamingRNN(**SMALL, lookahead=-1)
