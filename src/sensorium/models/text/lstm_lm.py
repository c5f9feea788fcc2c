"""A recurrent language model: logits of the next token.

S. Merity, N. Keskar and R. Socher, "Regularizing and optimizing LSTM language models", 2018, arXiv 1708.02182
(AWD-LSTM): stacked LSTM layers; whole words dropped from the embedding; the same features dropped at every time step
before the first layer, between layers and after the last; hidden-to-hidden weights dropped once for a training step;
the output layer is the embedding again (O. Press and L. Wolf 2017, arXiv 1608.05859).

What differs: all layers have one width, and where that is not the embedding's, a linear layer leads back to it before
the tied output (the paper narrows the last LSTM instead). `cell="gru"` takes GRU layers. The paper's optimizer, its
penalties on activations and the changing length of its chunks belong to training, not to the network.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from sensorium.nn.dropout import LockedDropout
from sensorium.nn.recurrent import Recurrent, State


class LSTMLanguageModel(nn.Module):
    """cell: lstm or gru. embedding_size: of a token's vector. hidden_size: of a layer. num_layers: stacked.

    tie_weights: the output layer uses the embedding's weights. The rest are shares set to zero in training, 0 to 1:
    embedding_dropout of the words, input_dropout of the features of an embedded token, hidden_dropout between layers,
    output_dropout after the last layer, weight_dropout of the hidden-to-hidden weights.

    Raises RequestError for an unknown cell.
    """

    carries_state = True  # training continues from the state after the chunk before

    def __init__(
        self,
        *,
        vocab_size: int,
        cell: str = "lstm",
        embedding_size: int = 256,
        hidden_size: int = 512,
        num_layers: int = 2,
        tie_weights: bool = True,
        embedding_dropout: float = 0.0,
        input_dropout: float = 0.1,
        hidden_dropout: float = 0.2,
        output_dropout: float = 0.3,
        weight_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, embedding_size)
        self.embedding_dropout = embedding_dropout
        self.input_dropout = LockedDropout(input_dropout)
        self.recurrent = Recurrent(
            kind=cell,
            input_size=embedding_size,
            hidden_size=hidden_size,
            num_layers=num_layers,
            dropout=hidden_dropout,
            variational=True,
            weight_dropout=weight_dropout,
        )
        self.output_dropout = LockedDropout(output_dropout)
        narrow = tie_weights and hidden_size != embedding_size
        self.projection = nn.Linear(hidden_size, embedding_size) if narrow else nn.Identity()
        self.head = nn.Linear(embedding_size if tie_weights else hidden_size, vocab_size)
        nn.init.uniform_(self.embedding.weight, -0.1, 0.1)
        nn.init.zeros_(self.head.bias)
        if tie_weights:
            self.head.weight = self.embedding.weight

    def forward(self, tokens: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Returns logits (B, T, V) for the token after each, and the state after the last.

        tokens: (B, T). state: what the call for the tokens before returned: (hidden, cell), or (hidden,) for a GRU,
        each (B, num_layers, hidden_size); None at the beginning of a text. Detach it before a new training step.
        """
        outputs, state = self.recurrent(self.input_dropout(self._embed(tokens)), state=state)
        return self.head(self.projection(self.output_dropout(outputs))), state

    def _embed(self, tokens: Tensor) -> Tensor:
        """(B, T, embedding_size); a dropped word is zero wherever it stands in the batch."""
        vectors = self.embedding(tokens)
        if not self.training or self.embedding_dropout == 0:
            return vectors
        kept = F.dropout(vectors.new_ones(self.embedding.num_embeddings), self.embedding_dropout)
        return vectors * kept[tokens][..., None]
