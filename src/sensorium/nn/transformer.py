"""The transformer block with normalization before each sublayer, shared by the language model and the translator.

R. Xiong et al., "On layer normalization in the transformer architecture", 2020, arXiv 2002.04745: a block that
normalizes what it reads, not what it adds to, trains without a careful warm-up.
"""

from torch import Tensor, nn

from sensorium.nn.attention import KeyValue, MultiHeadAttention


class FeedForward(nn.Sequential):
    """Two layers on each token with GELU between: (..., D) -> (..., D)."""

    def __init__(self, *, width: int, hidden: int, dropout: float = 0.0) -> None:
        super().__init__(nn.Linear(width, hidden), nn.GELU(), nn.Dropout(dropout), nn.Linear(hidden, width))


class TransformerBlock(nn.Module):
    """Attention to the sequence itself, attention to another one where asked for, then two layers on each token.

    width: of a token. heads: of attention. hidden: width between the two layers. dropout: share of values set to zero
    in training. attention_dropout: share of attention weights. cross: attends to another sequence too. positions: as in
    MultiHeadAttention.
    """

    def __init__(
        self,
        *,
        width: int,
        heads: int,
        hidden: int,
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        cross: bool = False,
        positions: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.attention = MultiHeadAttention(width=width, heads=heads, dropout=attention_dropout, positions=positions)
        self.used_in_parts = cross  # models read a memory's keys and values by `cross_attention` alone
        if cross:
            self.cross_norm = nn.LayerNorm(width)
            self.cross_attention = MultiHeadAttention(width=width, heads=heads, dropout=attention_dropout)
        self.feed_forward_norm = nn.LayerNorm(width)
        self.feed_forward = FeedForward(width=width, hidden=hidden, dropout=dropout)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self,
        x: Tensor,
        *,
        mask: Tensor | None = None,
        causal: bool = False,
        past: KeyValue | None = None,
        memory: KeyValue | None = None,
        memory_mask: Tensor | None = None,
    ) -> tuple[Tensor, KeyValue]:
        """Returns (B, T, D), and the keys and values of past and x together.

        x: (B, T, D). mask, causal, past: as in MultiHeadAttention. memory: keys and values of the other sequence, read
        by `cross_attention`. memory_mask: (B, S) bool, True where it may be looked at.
        """
        mixed, present = self.attention(self.norm(x), mask=mask, causal=causal, past=past)
        x = x + self.dropout(mixed)
        if memory is not None:
            x = x + self.dropout(self.cross_attention.look(self.cross_norm(x), memory, memory_mask))
        return x + self.dropout(self.feed_forward(self.feed_forward_norm(x))), present


def initialise_transformer(module: nn.Module, depth: int) -> None:
    """Normal weights of standard deviation 0.02, zero biases, and what is added to the shortcut scaled by depth.

    A. Radford et al., "Language models are unsupervised multitask learners", 2019, section 2.3 (GPT-2): each of the
    2 * depth additions starts smaller, so that their sum keeps its size.
    """
    for name, part in module.named_modules():
        if isinstance(part, nn.Linear):
            last = name.endswith(("out_projection", "feed_forward.3"))
            nn.init.normal_(part.weight, std=0.02 / (2 * depth) ** 0.5 if last else 0.02)
            if part.bias is not None:
                nn.init.zeros_(part.bias)
        elif isinstance(part, nn.Embedding):
            nn.init.normal_(part.weight, std=0.02)
