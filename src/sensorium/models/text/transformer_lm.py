"""A transformer language model with causal attention.

A. Radford et al., "Language models are unsupervised multitask learners", 2019 (GPT-2): blocks of causal attention and
two layers on each token, normalized before each sublayer, the output layer tied to the embedding.

What differs: positions are rotary (J. Su et al. 2021, arXiv 2104.09864), not learned. They depend on distances alone,
which a small training set teaches sooner than one vector for every place, and they cost no parameters. Attention
weights are not dropped unless asked for, as the fused kernel of a CPU cannot.

Beyond the context. A token is read with at most `context` - 1 tokens before it. Keys and values of what was read are
kept in the state, so that sampling reads one token at a time. When the context is full, its last half is read again as
the beginning of a new one. The network then always sees what it was trained on, a beginning and what follows; keeping
old keys and dropping the first ones instead takes away the beginning, on which attention leans (G. Xiao et al. 2023,
arXiv 2309.17453). A text of any length may be given at once or in pieces: the logits are the same.
"""

import torch
from torch import Tensor, nn

from sensorium.errors import RequestError
from sensorium.nn.attention import KeyValue
from sensorium.nn.positions import RotaryPositions
from sensorium.nn.transformer import TransformerBlock, initialise_transformer

State = tuple[Tensor, ...]


class TransformerLanguageModel(nn.Module):
    """context: how many tokens are seen at most. width: of a token. depth: number of blocks. heads: of attention.

    dropout: share of values set to zero in training. attention_dropout: share of attention weights.

    Raises RequestError when width does not divide into heads of an even size, and for a context below 2.
    """

    carries_state = False  # training begins each chunk again; a full state would only be read again

    def __init__(
        self,
        *,
        vocab_size: int,
        context: int = 256,
        width: int = 256,
        depth: int = 4,
        heads: int = 4,
        tie_weights: bool = True,
        dropout: float = 0.1,
        attention_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if width % (2 * heads):
            raise RequestError(
                f"width {width} does not divide into {heads} heads of an even size; "
                f"try width={max(width // (2 * heads), 1) * 2 * heads}."
            )
        if context < 2:
            raise RequestError(f"context is at least 2 tokens, not {context}.")
        self.context = context
        self.embedding = nn.Embedding(vocab_size, width)
        self.dropout = nn.Dropout(dropout)
        positions = RotaryPositions(width=width // heads, length=context)
        self.blocks = nn.ModuleList(
            TransformerBlock(
                width=width,
                heads=heads,
                hidden=4 * width,
                dropout=dropout,
                attention_dropout=attention_dropout,
                positions=positions,
            )
            for _ in range(depth)
        )
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, vocab_size, bias=False)
        initialise_transformer(self, depth)
        if tie_weights:
            self.head.weight = self.embedding.weight

    def forward(self, tokens: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Returns logits (B, T, V) for the token after each, and the state after the last.

        tokens: (B, T). state: what the call for the tokens before returned; None at the beginning of a text. It holds
        the tokens seen (B, P), then keys and values (B, heads, P, width / heads) of every block, without gradients.
        """
        state = state or (tokens[:, :0],)
        logits = []
        while True:
            if state[0].shape[1] == self.context:
                _, state = self._read(state[0][:, -(self.context // 2) :], (tokens[:, :0],))
            room = self.context - state[0].shape[1]
            piece, tokens = tokens[:, :room], tokens[:, room:]
            features, state = self._read(piece, state)
            logits.append(self.head(features))
            if not tokens.shape[1]:
                return torch.cat(logits, dim=1) if len(logits) > 1 else logits[0], state

    def _read(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """Features (B, T, D) of tokens that fit into the context, and the state after them."""
        x = self.dropout(self.embedding(tokens))
        seen = [torch.cat([state[0], tokens], dim=1)]
        for number, block in enumerate(self.blocks):
            past: KeyValue | None = (state[2 * number + 1], state[2 * number + 2]) if len(state) > 1 else None
            x, present = block(x, causal=True, past=past)
            seen += [part.detach() for part in present]
        return self.norm(x), tuple(seen)
