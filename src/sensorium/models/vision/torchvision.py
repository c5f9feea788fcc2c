"""Any image classifier of torchvision, by name.

The networks are torchvision's own, each with its paper: https://docs.pytorch.org/vision/stable/models.html.

What differs: the first convolution takes as many channels as the data has; the last layer is new and lives under
`head`; blocks of ResNets start as the identity; Inception and GoogLeNet come without their auxiliary classifiers.
For images of at most 64 pixels, networks made for 224 lose the start that shrinks them: the first convolution
steps by one pixel with a kernel of at most 3x3, and a max pooling right behind it is omitted. (The patches of a
vision transformer are not a start of this kind and stay.) SqueezeNet averages before its last layer, not after.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torchvision import models

from sensorium.errors import RequestError, unknown

SMALL = 64  # pixels; images up to this size get a stem that does not shrink them


class TorchvisionClassifier(nn.Module):
    """name: as `torchvision.models.list_models(module=torchvision.models)` prints it, such as "resnet18".

    pretrained: start from torchvision's published ImageNet weights, fetched when not yet on this computer; only the
    head starts fresh. Where the stem is adapted, its weights are the published ones averaged over channels and cut to
    the middle of the kernel.

    Raises RequestError for an unknown name, for images of a size the network cannot be built for, and for weights
    that cannot be fetched.
    """

    def __init__(
        self, *, name: str, in_channels: int, num_classes: int, image_size: tuple[int, int], pretrained: bool = False
    ) -> None:
        super().__init__()
        names = models.list_models(module=models)
        if name not in names:
            raise unknown("torchvision model", name, names)
        options = _options(name, image_size)
        if pretrained:
            network = _published(name, options, in_channels=in_channels, image_size=image_size)
        else:
            network = _fresh(name, options)
        features = _cut_head(network)
        adapt_stem(network, name=name, in_channels=in_channels, small=max(image_size) <= SMALL, keep=pretrained)
        self.backbone = network
        self.head = nn.Linear(features, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """images: (B, C, H, W); returns logits (B, K)."""
        return self.head(self.backbone(images))


def _family(name: str) -> str:
    return models.get_model_builder(name).__module__.rsplit(".", 1)[-1]


def _options(name: str, image_size: tuple[int, int]) -> dict[str, Any]:
    """What the builder of this family needs; a RequestError for a size it cannot take."""
    height, width = image_size
    family = _family(name)
    if family == "resnet":
        return {"zero_init_residual": True}
    if family == "vision_transformer":
        patch = int(name.rsplit("_", 1)[1])
        if height != width or height % patch:
            near = max(patch, round(max(image_size) / patch) * patch)
            raise RequestError(
                f"Model {name} takes square images whose side divides by {patch}, not {height}x{width}.\n"
                f"Use images of {near}x{near}, or model=vit_tiny, which takes small ones."
            )
        return {"image_size": height}
    if family == "maxvit":
        if height % 224 or width % 224:
            raise RequestError(
                f"Model {name} takes images whose sides divide by 224, not {height}x{width}.\n"
                "Use images of 224x224, or another model, such as convnext_tiny."
            )
        return {"input_size": image_size}
    return {}


def _fresh(name: str, options: dict[str, Any]) -> nn.Module:
    """The network with weights that torchvision draws for it."""
    if _family(name) in ("googlenet", "inception"):
        options = {"aux_logits": False, "init_weights": True}
    return models.get_model(name, weights=None, **options)


def _published(name: str, options: dict[str, Any], *, in_channels: int, image_size: tuple[int, int]) -> nn.Module:
    """The network with the weights torchvision publishes for it."""
    weights = models.get_model_weights(name).DEFAULT
    height, width = weights.meta["min_size"]
    if _family(name) in ("vision_transformer", "maxvit") and (height, width) != tuple(image_size):
        raise RequestError(
            f"The weights of {name} are for images of {height}x{width}, not {image_size[0]}x{image_size[1]}.\n"
            f"Use images of {height}x{width}, or model.pretrained=false."
        )
    if _family(name) in ("googlenet", "inception"):
        # These weights expect pixels scaled to [-1, 1]; torchvision converts three channels, and only those.
        options = {"transform_input": in_channels == 3}
    network = with_published_weights(name, **options)
    if _family(name) == "inception":  # published with it, and it cannot be asked to leave it out
        network.aux_logits, network.AuxLogits = False, None
    return network


def with_published_weights(name: str, **options: Any) -> Any:
    """A network of torchvision by name, of any kind, with its best published weights; a RequestError without them."""
    weights = models.get_model_weights(name).DEFAULT
    try:
        return models.get_model(name, weights=weights, progress=False, **options)
    except (OSError, RuntimeError) as error:
        raise unreachable(name, weights, error) from error


def unreachable(name: str, weights: Any, error: Exception) -> RequestError:
    """For published weights that could not be fetched: what to fetch, and where it belongs."""
    file = f"{torch.hub.get_dir()}/checkpoints/{weights.url.rsplit('/', 1)[-1]}"
    return RequestError(
        f"The published weights of {name} could not be downloaded: {error}.\n"
        f"Fetch {weights.url} where there is a network and put it at {file}, or set model.pretrained=false."
    )


def _replace(network: nn.Module, path: str, module: nn.Module) -> None:
    parent, _, leaf = path.rpartition(".")
    setattr(network.get_submodule(parent), leaf, module)


def _cut_head(network: nn.Module) -> int:
    """Take the last layer out, so that the network returns features (B, F); returns F."""
    layers = [(path, layer) for path, layer in network.named_modules() if isinstance(layer, (nn.Linear, nn.Conv2d))]
    path, layer = layers[-1]
    _replace(network, path, nn.Identity())
    return layer.in_features if isinstance(layer, nn.Linear) else layer.in_channels


def adapt_stem(network: nn.Module, *, name: str, in_channels: int, small: bool, keep: bool) -> None:
    """Fit the first convolution to the channels and, for small images, stop it and the next pooling from shrinking.

    keep: carry the weights over, else start again with He's.
    """
    path, conv = next((path, layer) for path, layer in network.named_modules() if isinstance(layer, nn.Conv2d))
    small = small and conv.stride[0] > 1 and _family(name) != "vision_transformer"
    if conv.in_channels == in_channels and not small:
        return
    kernel = min(conv.kernel_size[0], 3) if small else conv.kernel_size[0]
    padding = int(conv.padding[0]) if kernel == conv.kernel_size[0] else kernel // 2
    stride = 1 if small else conv.stride[0]
    new = nn.Conv2d(in_channels, conv.out_channels, kernel, stride, padding, bias=conv.bias is not None)
    if keep:
        _copy_weights(conv, new)
    else:
        nn.init.kaiming_normal_(new.weight, mode="fan_out", nonlinearity="relu")
    _replace(network, path, new)
    if small:
        _drop_stem_pooling(network)


@torch.no_grad()
def _copy_weights(old: nn.Conv2d, new: nn.Conv2d) -> None:
    """The middle of each kernel; other channel counts get the mean over channels, scaled to keep the sum."""
    kernel = new.kernel_size[0]
    start = (old.kernel_size[0] - kernel) // 2
    weight = old.weight[:, :, start : start + kernel, start : start + kernel]
    if new.in_channels != old.in_channels:
        weight = weight.sum(dim=1, keepdim=True).expand_as(new.weight) / new.in_channels
    new.weight.copy_(weight)
    if old.bias is not None and new.bias is not None:
        new.bias.copy_(old.bias)


def _drop_stem_pooling(network: nn.Module) -> None:
    """Take out a max pooling that stands between the first and the second convolution."""
    convolutions = 0
    for path, layer in network.named_modules():
        convolutions += isinstance(layer, nn.Conv2d)
        if convolutions == 1 and isinstance(layer, nn.MaxPool2d):
            _replace(network, path, nn.Identity())
            return
