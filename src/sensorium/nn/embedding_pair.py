"""Source and target embeddings of a translator, separate or shared."""

from torch import nn

from sensorium.errors import RequestError


def embedding_pair(
    *, source_vocab_size: int, target_vocab_size: int, size: int, pad_id: int, share: bool
) -> tuple[nn.Embedding, nn.Embedding]:
    """Embeddings of source and target, normal with standard deviation 1 / sqrt(size); the same table when shared.

    The scale suits a table that is the output layer too: scores of unit features then have unit variance. The vector of
    pad_id is zero.

    Raises RequestError when two vocabularies of different sizes should share.
    """
    if share and source_vocab_size != target_vocab_size:
        raise RequestError(
            f"share_embeddings=true needs one vocabulary, but the source has {source_vocab_size} tokens and the target "
            f"{target_vocab_size}.\nTrain one tokenizer for both, or use share_embeddings=false."
        )
    target = nn.Embedding(target_vocab_size, size, padding_idx=pad_id)
    source = target if share else nn.Embedding(source_vocab_size, size, padding_idx=pad_id)
    for table in (target,) if share else (source, target):
        nn.init.normal_(table.weight, std=size**-0.5)
        nn.init.zeros_(table.weight.data[pad_id])
    return source, target
