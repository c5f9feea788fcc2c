"""What a network's table of tokens gives is seen and replaced, and nothing stays behind."""

import torch
from captum.attr import LayerIntegratedGradients
from torch import nn

from sensorium.attribution.embeddings import embedded_as, embedding_of
from sensorium.attribution.methods import METHODS, Settings
from sensorium.attribution.subject import Subject
from sensorium.models.text.bag_of_embeddings import BagOfEmbeddings
from sensorium.models.text.lstm_classifier import LSTMClassifier

TOKENS, LENGTH = torch.tensor([[4, 5, 6, 7]]), torch.tensor([4])


def network() -> nn.Module:
    torch.manual_seed(0)
    return LSTMClassifier(vocab_size=9, pad_id=0, num_classes=2, embedding_size=6, hidden_size=5).eval()


def call(net, tokens=TOKENS, length=LENGTH):
    return net(tokens, length.expand(len(tokens)))


def test_vectors_are_seen_and_replaced():
    net = network()
    name, vectors = embedding_of(net, TOKENS, call)
    assert (name, tuple(vectors.shape)) == ("embedding", (4, 6))
    assert torch.equal(vectors, net.embedding.weight[TOKENS[0]])
    before = call(net)
    with embedded_as(net, name, vectors[None]):
        assert torch.equal(call(net), before)
    other = net.embedding.weight[torch.tensor([[8, 8, 8, 8]])]
    with embedded_as(net, name, other):
        assert torch.equal(call(net), call(net, torch.tensor([[8, 8, 8, 8]])))
    assert torch.equal(call(net), before)
    assert not net.embedding._forward_hooks


def test_only_the_first_look_up_is_replaced():
    """A translation model with one table looks its target up in it too."""
    table = nn.Sequential(nn.Embedding(5, 2))
    with embedded_as(table, "0", torch.zeros(1, 3, 2)):
        assert not table(torch.tensor([[1, 2, 3]])).any()
        assert table(torch.tensor([[1, 2, 3]])).any()


def test_a_network_that_sums_vectors_has_none_to_see():
    assert embedding_of(BagOfEmbeddings(vocab_size=9, pad_id=0, num_classes=2), TOKENS, call) is None


def test_integrated_gradients_are_captums_over_the_layer_and_exactly_0_at_padding():
    net = network()
    padded, length = torch.tensor([[4, 5, 6, 7, 0, 0]]), torch.tensor([4])
    _, vectors = embedding_of(net, padded, lambda one: one(padded, length))

    def score(one, rows):
        with embedded_as(one, "embedding", rows):
            return one(padded.expand(len(rows), -1), length.expand(len(rows)))

    subject = Subject(
        network=net,
        features=vectors,
        baseline=net.embedding.weight[1].detach().expand_as(vectors).contiguous(),
        segments=torch.tensor([0, 1, 2, 3, -1, -1])[:, None],
        score=score,
    )
    found = METHODS["integrated_gradients"].attribute(subject, Settings(steps=20))
    assert found.shape == (2, 6, 1)
    assert not found[:, 4:].any()
    captum = LayerIntegratedGradients(lambda tokens: call(net, tokens, length), net.embedding)
    for target in (0, 1):
        unknown = torch.ones_like(TOKENS)
        wanted = captum.attribute(TOKENS, baselines=unknown, target=target, n_steps=20).sum(2)[0]
        assert torch.allclose(found[target, :4, 0], wanted, atol=1e-5)
