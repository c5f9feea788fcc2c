"""Embeddings of tokens, and the dropouts on them."""

import torch

from sensorium.nn.dropout import LockedDropout
from sensorium.nn.embedding import TokenEmbedding, drop_words


def test_the_row_of_padding_is_zero_and_stays_zero() -> None:
    torch.manual_seed(0)
    embedding = TokenEmbedding(vocab_size=5000, dim=20, pad_id=0)
    tokens = torch.tensor([[7, 8, 0], [9, 0, 0]])
    vectors = embedding(tokens)
    assert not vectors[tokens == 0].any()
    assert torch.equal(vectors[0, 1], embedding.weight[8])
    assert abs(embedding.weight.std().item() - 0.1) < 0.002
    vectors.sum().backward()
    assert embedding.weight.grad.sum(1).nonzero().flatten().tolist() == [7, 8, 9]


def test_dropped_words_become_unknown_and_padding_never_does() -> None:
    torch.manual_seed(0)
    tokens = torch.full((100, 100), 7)
    tokens[:, 50:] = 0
    dropped = drop_words(tokens, 0.2, pad_id=0)
    assert not dropped[:, 50:].any()
    assert set(dropped[:, :50].unique().tolist()) == {1, 7}
    assert abs((dropped == 1).sum().item() - 1000) < 100  # 5000 words, standard deviation 28
    assert torch.equal(drop_words(tokens, 1.0, pad_id=0), tokens // 7)


def test_words_and_features_are_dropped_in_training_only() -> None:
    torch.manual_seed(0)
    embedding = TokenEmbedding(vocab_size=10, dim=8, pad_id=0, word_dropout=1.0, dropout=0.5)
    tokens = torch.tensor([[4, 5, 6, 0]])
    trained = embedding(tokens)
    assert torch.equal(embedding.eval()(tokens)[0, 1], embedding.weight[5])
    kept = trained[0, 0] != 0
    assert 0 < kept.sum() < 8
    for step in range(3):  # the unknown word, doubled where it is kept
        torch.testing.assert_close(trained[0, step], 2 * embedding.weight[1] * kept)


def test_locked_dropout_keeps_one_mask_for_all_steps_and_another_for_each_row() -> None:
    torch.manual_seed(0)
    dropout = LockedDropout(0.25)
    x = torch.ones(20, 6, 500)
    dropped = dropout(x)
    assert torch.equal(dropped, dropped[:, :1].expand_as(x))
    assert len(dropped[:, 0].unique(dim=0)) == 20
    assert set(dropped.unique().tolist()) == {0.0, x.new_tensor(4 / 3).item()}
    assert abs((dropped[:, 0] == 0).float().mean().item() - 0.25) < 0.02
    assert torch.equal(dropout.eval()(x), x)
    assert not LockedDropout(1.0)(x).any()
