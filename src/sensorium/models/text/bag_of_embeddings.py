"""fastText's classifier: the mean embedding of words and n-grams, and a linear layer.

A. Joulin et al., "Bag of tricks for efficient text classification", 2016, arXiv 1607.01759. Each word has a vector;
runs of 2 to `ngrams` words share the vectors of a fixed number of buckets, found by hashing.

What differs: the last layer is a full softmax, not a hierarchical one; the hash is over token ids, not letters; far
fewer buckets than the paper's ten million, because every vector takes part in each step of an ordinary optimizer.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sensorium.errors import RequestError
from sensorium.nn.embedding import TokenEmbedding
from sensorium.nn.pooling import valid_steps

MIX = -7046029254386353131  # 2**64 over the golden ratio, as a signed number: spreads ids that follow each other
CHAIN = 116049371  # fastText's factor from one word of an n-gram to the next


def hash_ngrams(tokens: Tensor, n: int, buckets: int) -> Tensor:
    """The bucket, 0 to buckets - 1, of each run of n tokens: (B, T - n + 1). The order of tokens matters.

    tokens: (B, T) with T >= n.
    """
    mixed = tokens * MIX  # wraps around, as do the lines below
    mixed = mixed ^ (mixed >> 32)
    runs = mixed.unfold(1, n, 1)  # (B, T - n + 1, n)
    hashed = runs[:, :, 0]
    for position in range(1, n):
        hashed = hashed * CHAIN + runs[:, :, position]
    return (hashed ^ (hashed >> 32)).remainder(buckets)


class BagOfEmbeddings(nn.Module):
    """embedding_size: of a vector. ngrams: longest run of words that has a vector of its own; 1 for words alone.

    buckets: number of vectors for runs. word_dropout: share of tokens that become the unknown word in training.
    dropout: share of the mean's features set to zero in training.

    Raises RequestError for ngrams or buckets below 1.
    """

    def __init__(
        self,
        *,
        vocab_size: int,
        pad_id: int,
        num_classes: int,
        embedding_size: int = 16,
        ngrams: int = 2,
        buckets: int = 100_000,
        word_dropout: float = 0.0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if min(ngrams, buckets) < 1:
            raise RequestError(f"ngrams and buckets of bag_of_embeddings are 1 or more, not {ngrams} and {buckets}.")
        self.ngrams = ngrams
        self.buckets = buckets
        self.embedding = TokenEmbedding(
            vocab_size=vocab_size, dim=embedding_size, pad_id=pad_id, word_dropout=word_dropout
        )
        if ngrams > 1:
            self.ngram_embedding = TokenEmbedding(vocab_size=buckets + 1, dim=embedding_size, pad_id=buckets)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(embedding_size, num_classes)

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """tokens: (B, T); lengths: (B,), 1 to T; returns logits (B, K)."""
        return self.head(self.dropout(self.features(self.embedding.drop(tokens), lengths)))

    def features(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """The mean over all words and n-grams of each text, (B, embedding_size)."""
        words = tokens.masked_fill(~valid_steps(lengths, tokens.shape[1]), self.embedding.pad_id)
        total, count = _sum_of_rows(self.embedding, words), lengths.clone()
        longest = self.ngrams
        if torch.compiler.is_exporting():  # of any length: padding makes room for the longest run
            tokens = F.pad(tokens, (0, self.ngrams - 1), value=self.embedding.pad_id)
        else:
            longest = min(longest, tokens.shape[1])
        for n in range(2, longest + 1):
            runs = hash_ngrams(tokens, n, self.buckets)
            behind = ~valid_steps(lengths - n + 1, runs.shape[1])
            total = total + _sum_of_rows(self.ngram_embedding, runs.masked_fill(behind, self.buckets))
            count = count + (lengths - n + 1).clamp_min(0)
        return total / count[:, None].to(total.dtype)


def _sum_of_rows(table: TokenEmbedding, ids: Tensor) -> Tensor:
    """ids: (B, T); returns (B, F), the sum of each row's vectors, without making (B, T, F)."""
    if torch.compiler.is_exporting():
        return F.embedding(ids, table.weight).masked_fill((ids == table.pad_id)[:, :, None], 0.0).sum(1)
    return F.embedding_bag(ids, table.weight, mode="sum", padding_idx=table.pad_id)
