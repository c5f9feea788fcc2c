"""A recurrent translator: a bidirectional encoder, and a decoder that attends to its states.

D. Bahdanau, K. Cho and Y. Bengio, "Neural machine translation by jointly learning to align and translate", 2015, arXiv
1409.0473, and M.-T. Luong, H. Pham and C. Manning, "Effective approaches to attention-based neural machine
translation", 2015, arXiv 1508.04025 ("general" score). `attention` picks between them:

- luong: the decoder's new state looks at the source, and both together predict the next token. Without input feeding
  the recurrence needs nothing from the attention, so training runs one fused recurrence over all target positions and
  attends for all at once: a quarter less time for a training step of 64 sentences and 5,000 tokens on one CPU core.
  With input feeding (section 3.3) what was predicted from is read at the next step, and the decoder goes step by step.
- bahdanau: the decoder's old state looks at the source, and what it finds is read with the token, step by step.

What differs: source vectors are projected once instead of every mixture of them, which is the same sum; predictions
come from tanh(W state + context) for both (Luong's equation 5) instead of Bahdanau's maxout layer; the decoder begins
with a linear function of the states in which the encoder's directions end. Coverage, which makes each position see how
much attention it has had, follows A. See et al. 2017, arXiv 1704.04368, without their extra loss.
"""

import torch
from torch import Tensor, nn

from sensorium.errors import RequestError, unknown
from sensorium.nn.attention_rnn import AdditiveAttention, MultiplicativeAttention
from sensorium.nn.embedding_pair import embedding_pair
from sensorium.nn.pooling import valid_steps
from sensorium.nn.recurrent import Recurrent

Tensors = tuple[Tensor, ...]
ATTENTIONS = ("luong", "bahdanau")


class RNNSeq2Seq(nn.Module):
    """cell: lstm or gru. attention: luong or bahdanau. embedding_size: of a token's vector. hidden_size: of a layer of
    the decoder and of each direction of the encoder. num_layers: stacked, in both. dropout: share of values set to zero
    in training. input_feeding: Luong's. coverage: needs a decoder that goes step by step. tie_embeddings: the output
    layer uses the target's embedding. share_embeddings: source and target have one embedding.

    Memory is (keys, values, mask) of the source: (B, S, hidden_size), (B, S, embedding_size), (B, S). State is
    (hidden[, cell][, fed][, coverage]), each (N, ...).

    Raises RequestError for an unknown cell or attention, and for choices that exclude each other.
    """

    def __init__(
        self,
        *,
        source_vocab_size: int,
        target_vocab_size: int,
        pad_id: int,
        cell: str = "lstm",
        attention: str = "luong",
        embedding_size: int = 256,
        hidden_size: int = 256,
        num_layers: int = 1,
        dropout: float = 0.3,
        input_feeding: bool = False,
        coverage: bool = False,
        tie_embeddings: bool = True,
        share_embeddings: bool = False,
    ) -> None:
        super().__init__()
        _check(attention, input_feeding, coverage)
        self.additive, self.input_feeding, self.coverage = attention == "bahdanau", input_feeding, coverage
        self.source_embedding, self.embedding = embedding_pair(
            source_vocab_size=source_vocab_size,
            target_vocab_size=target_vocab_size,
            size=embedding_size,
            pad_id=pad_id,
            share=share_embeddings,
        )
        self.dropout = nn.Dropout(dropout)
        self.encoder = Recurrent(
            kind=cell,
            input_size=embedding_size,
            hidden_size=hidden_size,
            num_layers=num_layers,
            bidirectional=True,
            dropout=dropout,
        )
        memory_size = self.encoder.output_size
        self.bridges = nn.ModuleList(
            nn.Linear(memory_size, hidden_size) for _ in range(2 if cell == "lstm" else 1)
        )  # hidden, cell
        if self.additive:
            self.attend: AdditiveAttention | MultiplicativeAttention = AdditiveAttention(
                query_size=hidden_size, memory_size=memory_size, width=hidden_size, coverage=coverage
            )
        else:
            self.attend = MultiplicativeAttention(query_size=hidden_size, memory_size=memory_size, coverage=coverage)
        self.values = nn.Linear(memory_size, embedding_size, bias=False)
        self.decoder = Recurrent(
            kind=cell,
            input_size=embedding_size * (2 if self.additive or input_feeding else 1),
            hidden_size=hidden_size,
            num_layers=num_layers,
            dropout=dropout,
        )
        self.combine = nn.Linear(hidden_size, embedding_size)
        self.head = nn.Linear(embedding_size, target_vocab_size, bias=False)  # adding one costs a pass over the logits
        if tie_embeddings:
            self.head.weight = self.embedding.weight

    def forward(self, source: Tensor, lengths: Tensor, target_in: Tensor) -> Tensor:
        """source: (B, S); lengths: (B,), 1 to S; target_in: (B, U), which begins with BOS; returns logits (B, U, V)."""
        return self.head(self._decode(target_in, *self.encode(source, lengths))[0])

    def attention(self, source: Tensor, lengths: Tensor, target_in: Tensor) -> Tensor:
        """Weights (B, U, S) with which each target position looks at the source: 0 at padding, each row sums to 1."""
        return self._decode(target_in, *self.encode(source, lengths))[1]

    def encode(self, source: Tensor, lengths: Tensor) -> tuple[Tensors, Tensors]:
        """source: (B, S); lengths: (B,), 1 to S; returns memory and the state before the first target token."""
        read, ends = self.encoder(self.dropout(self.source_embedding(source)), lengths)
        read = self.dropout(read)
        memory = (self.attend.key(read), self.values(read), valid_steps(lengths, source.shape[1]))
        state = [bridge(end) for bridge, end in zip(self.bridges, ends, strict=True)]
        state[0] = state[0].tanh()  # as a hidden state is; a cell state has no bound
        if self.input_feeding:
            state.append(read.new_zeros(source.shape[0], self.combine.out_features))
        if self.coverage:
            state.append(read.new_zeros(source.shape))
        return memory, tuple(state)

    def step(self, tokens: Tensor, memory: Tensors, state: Tensors) -> tuple[Tensor, Tensors]:
        """Logits (N, V) for the token after each, and the new state.

        tokens: (N,). memory: of B sources; N is B or a multiple of it, and then the first N / B tokens belong to the
        first source. state: of N rows.
        """
        features, _, state = self._advance(self.embedding(tokens), memory, state)
        return self.head(features), state

    def _decode(self, target_in: Tensor, memory: Tensors, state: Tensors) -> tuple[Tensor, Tensor]:
        """What predictions are made from (B, U, embedding_size), and the weights (B, U, S)."""
        embedded = self.dropout(self.embedding(target_in))
        if not (self.additive or self.input_feeding):
            outputs, _ = self.decoder(embedded, state=state)
            return self._combine(outputs, *self._look(outputs, memory))
        steps, weights = [], []
        for vectors in embedded.unbind(1):
            features, weight, state = self._advance(vectors, memory, state)
            steps.append(features)
            weights.append(weight)
        return torch.stack(steps, dim=1), torch.stack(weights, dim=1)

    def _advance(self, embedded: Tensor, memory: Tensors, state: Tensors) -> tuple[Tensor, Tensor, Tensors]:
        """One target position: features (N, embedding_size), weights (N, S) and the new state."""
        recurrent, rest = state[: len(self.bridges)], list(state[len(self.bridges) :])
        coverage = rest.pop() if self.coverage else None
        if self.additive:  # the old state looks, and what it finds is read with the token
            context, weights = self._look(recurrent[0][:, -1:], memory, coverage)
            outputs, recurrent = self.decoder(torch.cat([embedded[:, None], context], dim=2), state=recurrent)
        else:
            read = torch.cat([embedded, rest[0]], dim=1) if self.input_feeding else embedded
            outputs, recurrent = self.decoder(read[:, None], state=recurrent)
            context, weights = self._look(outputs, memory, coverage)
        features, weights = (part[:, 0] for part in self._combine(outputs, context, weights))
        state = (*recurrent, features) if self.input_feeding else recurrent
        return features, weights, state if coverage is None else (*state, coverage + weights)

    def _look(self, query: Tensor, memory: Tensors, coverage: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Mixtures (N, U, embedding_size) of source values and their weights (N, U, S).

        query: (N, U, hidden_size). coverage: (N, S).

        Rows that share a source stand one after another in time while they look.
        """
        keys, values, mask = memory
        if torch.compiler.is_exporting():  # with a row of memory for each
            weights = self.attend(query, keys, mask, None if coverage is None else coverage[:, None])
            return weights @ values, weights
        shape, sources = query.shape[:2], len(keys)
        if coverage is not None:
            coverage = coverage.view(sources, -1, coverage.shape[1])
        weights = self.attend(query.reshape(sources, -1, query.shape[2]), keys, mask, coverage)
        return (weights @ values).view(*shape, -1), weights.view(*shape, -1)

    def _combine(self, outputs: Tensor, context: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        return self.dropout(torch.tanh(self.combine(self.dropout(outputs)) + context)), weights


def _check(attention: str, input_feeding: bool, coverage: bool) -> None:
    if attention not in ATTENTIONS:
        raise unknown("attention", attention, ATTENTIONS)
    if attention == "bahdanau" and input_feeding:
        raise RequestError(
            "input_feeding=true belongs to attention=luong; the decoder of attention=bahdanau always reads its "
            "attention context.\nOmit input_feeding."
        )
    if coverage and attention == "luong" and not input_feeding:
        raise RequestError(
            "coverage=true needs a step-by-step decoder.\nAdd input_feeding=true, or use attention=bahdanau."
        )
