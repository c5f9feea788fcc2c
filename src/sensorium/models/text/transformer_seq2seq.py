"""The transformer translator.

A. Vaswani et al., "Attention is all you need", 2017, arXiv 1706.03762: blocks of attention over the source, blocks of
causal attention and attention to the source over the target, sinusoidal positions, embeddings times the root of their
width and tied to the output layer.

What differs: normalization stands before each sublayer and once at the end of each stack, which trains without a
careful warm-up (R. Xiong et al. 2020, arXiv 2002.04745); GELU instead of ReLU; sizes are for corpora of some ten
thousand sentences (the paper's base: width 512, depth 6, heads 8, hidden 2048). Keys and values of what was written
stay in the state, so that decoding reads one token at a time.
"""

import math

from torch import Tensor, nn

from sensorium.nn.attention import KeyValue
from sensorium.nn.embedding_pair import embedding_pair
from sensorium.nn.pooling import valid_steps
from sensorium.nn.positions import SinusoidalPositions
from sensorium.nn.transformer import TransformerBlock

Tensors = tuple[Tensor, ...]


class TransformerSeq2Seq(nn.Module):
    """width: of a token. depth: blocks of the encoder and of the decoder. heads: of attention; width divides by it.

    hidden: width between the two layers on each token. dropout: share of values set to zero in training.
    attention_dropout: share of attention weights. tie_embeddings: the output layer uses the target's embedding.
    share_embeddings: source and target have one embedding.

    Memory is (mask, keys, values, keys, values, ...) of the source for each block of the decoder: (B, S), then
    (B, heads, S, width / heads). State is (keys, values, ...) of what was written: (N, heads, P, width / heads).

    Raises RequestError when width does not divide by heads, or vocabularies of different sizes should share.
    """

    def __init__(
        self,
        *,
        source_vocab_size: int,
        target_vocab_size: int,
        pad_id: int,
        width: int = 256,
        depth: int = 3,
        heads: int = 4,
        hidden: int = 1024,
        dropout: float = 0.2,
        attention_dropout: float = 0.0,
        tie_embeddings: bool = True,
        share_embeddings: bool = False,
    ) -> None:
        super().__init__()
        self.source_embedding, self.embedding = embedding_pair(
            source_vocab_size=source_vocab_size,
            target_vocab_size=target_vocab_size,
            size=width,
            pad_id=pad_id,
            share=share_embeddings,
        )
        self.positions = SinusoidalPositions(width=width)
        self.dropout = nn.Dropout(dropout)
        self.encoder, self.decoder = (
            nn.ModuleList(
                TransformerBlock(
                    width=width,
                    heads=heads,
                    hidden=hidden,
                    dropout=dropout,
                    attention_dropout=attention_dropout,
                    cross=cross,
                )
                for _ in range(depth)
            )
            for cross in (False, True)
        )
        self.encoder_norm = nn.LayerNorm(width)
        self.decoder_norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, target_vocab_size, bias=False)
        for name, parameter in self.named_parameters():
            if parameter.dim() > 1 and "embedding" not in name:
                nn.init.xavier_uniform_(parameter)
        if tie_embeddings:
            self.head.weight = self.embedding.weight

    def forward(self, source: Tensor, lengths: Tensor, target_in: Tensor) -> Tensor:
        """source: (B, S); lengths: (B,), 1 to S; target_in: (B, U), which begins with BOS; returns logits (B, U, V)."""
        memory, state = self.encode(source, lengths)
        features, _ = self._decode(target_in, memory, state)
        return self.head(features)

    def encode(self, source: Tensor, lengths: Tensor) -> tuple[Tensors, Tensors]:
        """source: (B, S); lengths: (B,), 1 to S; returns memory and the (empty) state before the first target token."""
        mask = valid_steps(lengths, source.shape[1])
        x = self._embed(self.source_embedding, source, 0)
        for block in self.encoder:
            x, _ = block(x, mask=mask)
        x = self.encoder_norm(x)
        memory, state = [mask], []
        for block in self.decoder:
            keys, values = block.cross_attention.read(x)  # type: ignore[operator, union-attr]
            memory += [keys, values]
            state += [keys[:, :, :0], values[:, :, :0]]
        return tuple(memory), tuple(state)

    def step(self, tokens: Tensor, memory: Tensors, state: Tensors) -> tuple[Tensor, Tensors]:
        """Logits (N, V) for the token after each, and the new state.

        tokens: (N,). memory: of B sources; N is B or a multiple of it, and then the first N / B tokens belong to the
        first source. state: of N rows.
        """
        features, state = self._decode(tokens[:, None], memory, state)
        return self.head(features[:, 0]), state

    def attention(self, source: Tensor, lengths: Tensor, target_in: Tensor) -> Tensor:
        """Weights (B, U, S) with which the last block looks at the source, the mean over its heads: 0 at padding."""
        memory, _ = self.encode(source, lengths)
        x = self._embed(self.embedding, target_in, 0)
        pairs = list(zip(memory[1::2], memory[2::2], strict=True))
        for block, pair in zip(self.decoder[:-1], pairs, strict=False):
            x, _ = block(x, causal=True, memory=pair, memory_mask=memory[0])
        last = self.decoder[-1]
        assert isinstance(last, TransformerBlock)
        x = x + last.dropout(last.attention(last.norm(x), causal=True)[0])
        return last.cross_attention.weights(last.cross_norm(x), pairs[-1], memory[0])

    def _decode(self, target_in: Tensor, memory: Tensors, state: Tensors) -> tuple[Tensor, Tensors]:
        """Features (N, U, D) of tokens (N, U) that follow those in the state, and the new state."""
        x = self._embed(self.embedding, target_in, state[0].shape[2])
        present: list[Tensor] = []
        for number, block in enumerate(self.decoder):
            past: KeyValue = (state[2 * number], state[2 * number + 1])
            read: KeyValue = (memory[2 * number + 1], memory[2 * number + 2])
            x, pair = block(x, causal=True, past=past, memory=read, memory_mask=memory[0])
            present += pair
        return self.decoder_norm(x), tuple(present)

    def _embed(self, table: nn.Module, tokens: Tensor, start: int) -> Tensor:
        """(N, T, D): embeddings at unit scale, and the positions from start on."""
        vectors = table(tokens)
        return self.dropout(self.positions(vectors * math.sqrt(vectors.shape[2]), start))
