"""The vision transformer.

A. Dosovitskiy et al., "An image is worth 16x16 words", 2021, arXiv 2010.11929: the image is cut into patches, each
patch is a token, a class token is put in front, and a transformer with layer normalization before each sublayer reads
them all. The default sizes (width 192, 3 heads, 12 layers) are the "tiny" of H. Touvron et al. 2021, arXiv 2012.12877.

What differs: the patch follows the image, so that small images too give 49 tokens or more: 4 pixels for 28x28 and
32x32, 8 for 64x64, 16 for 224x224. All weights start as a normal of standard deviation 0.02 cut at two, the last
layer too, which starts at zero in the paper. `configs/model/vit_tiny.yaml` asks for 6 layers instead of 12, which
halves the cost and suits images of up to 64 pixels.
"""

import torch
from torch import Tensor, nn

from sensorium.errors import RequestError
from sensorium.nn.attention import attend
from sensorium.nn.transformer import FeedForward

MIN_TOKENS, MAX_TOKENS = 49, 1024


def choose_patch_size(image_size: tuple[int, int]) -> int:
    """The largest patch side of at most 16 pixels that divides both sides and leaves at least 49 tokens; else 1."""
    height, width = image_size
    fitting = [side for side in range(1, 17) if height % side == 0 and width % side == 0]
    return max((side for side in fitting if height * width // side**2 >= MIN_TOKENS), default=1)


class SelfAttention(nn.Module):
    """Every token looks at every token, in `heads` subspaces (Vaswani et al. 2017, arXiv 1706.03762)."""

    def __init__(self, *, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query_key_value = nn.Linear(width, 3 * width)
        self.projection = nn.Linear(width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """tokens: (B, T, F); returns (B, T, F)."""
        query, key, value = self.query_key_value(tokens).unflatten(2, (3, self.heads, -1)).unbind(2)
        mixed = attend(query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2))
        return self.projection(mixed.transpose(1, 2).flatten(2))  # (B, heads, T, F / heads) -> (B, T, F)


class EncoderBlock(nn.Module):
    """Attention between tokens, then two layers on each token, each around a shortcut."""

    def __init__(self, *, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attention = SelfAttention(width=width, heads=heads)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = FeedForward(width=width, hidden=4 * width, dropout=dropout)
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: Tensor) -> Tensor:
        """tokens: (B, T, F); returns (B, T, F)."""
        tokens = tokens + self.dropout(self.attention(self.norm1(tokens)))
        return tokens + self.dropout(self.mlp(self.norm2(tokens)))


class ViT(nn.Module):
    """patch_size: side of a patch in pixels; None chooses it from the image's size.

    width: of a token. depth: number of blocks. heads: of attention; width divides by it. dropout: share set to zero.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        num_classes: int,
        image_size: tuple[int, int],
        patch_size: int | None = None,
        width: int = 192,
        depth: int = 12,
        heads: int = 3,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        patch = patch_size or choose_patch_size(image_size)
        tokens = _count_tokens(image_size, patch)
        if width % heads:
            raise RequestError(f"width {width} does not divide by heads {heads}; try width={width // heads * heads}.")
        self.patches = nn.Conv2d(in_channels, width, kernel_size=patch, stride=patch)
        self.class_token = nn.Parameter(torch.zeros(1, 1, width))
        self.positions = nn.Parameter(torch.zeros(1, 1 + tokens, width))
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.Sequential(*(EncoderBlock(width=width, heads=heads, dropout=dropout) for _ in range(depth)))
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.head = nn.Linear(width, num_classes)
        self.apply(_initialise)
        nn.init.trunc_normal_(self.class_token, std=0.02)
        nn.init.trunc_normal_(self.positions, std=0.02)

    def forward(self, images: Tensor) -> Tensor:
        """images: (B, C, H, W); returns logits (B, K)."""
        tokens = self.patches(images).flatten(2).transpose(1, 2)  # (B, T, F)
        tokens = torch.cat([self.class_token.expand(images.shape[0], -1, -1), tokens], dim=1) + self.positions
        tokens = self.norm(self.blocks(self.dropout(tokens)))
        return self.head(tokens[:, 0])


def _count_tokens(image_size: tuple[int, int], patch: int) -> int:
    """Patches in an image; a RequestError when they do not fit or are too many."""
    height, width = image_size
    if height % patch or width % patch:
        raise RequestError(
            f"An image of {height}x{width} pixels cannot be cut into patches of {patch}x{patch}.\n"
            f"Leave model.patch_size out, or give a number that divides both, such as {choose_patch_size(image_size)}."
        )
    tokens = (height // patch) * (width // patch)
    if tokens > MAX_TOKENS:
        raise RequestError(
            f"Patches of {patch}x{patch} cut an image of {height}x{width} into {tokens} tokens; at most {MAX_TOKENS} "
            "are allowed.\nUse images whose sides divide by 16 (such as "
            f"{max(16, round(height / 16) * 16)}x{max(16, round(width / 16) * 16)}), or a larger model.patch_size."
        )
    return tokens


def _initialise(module: nn.Module) -> None:
    if isinstance(module, (nn.Linear, nn.Conv2d)):
        nn.init.trunc_normal_(module.weight, std=0.02, a=-0.04, b=0.04)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
