"""Convolutional blocks shared by several networks."""

from torch import Tensor, nn


class ConvBatchNorm(nn.Module):
    """Convolution without bias, batch normalization (Ioffe and Szegedy 2015, arXiv 1502.03167), optional ReLU.

    The image keeps its size when stride is 1 and the kernel is odd.
    """

    def __init__(
        self, *, in_channels: int, out_channels: int, kernel_size: int = 3, stride: int = 1, relu: bool = True
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding=kernel_size // 2, bias=False)
        self.norm = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True) if relu else nn.Identity()

    def forward(self, images: Tensor) -> Tensor:
        """images: (B, C, H, W); returns (B, out_channels, H', W')."""
        return self.relu(self.norm(self.conv(images)))
