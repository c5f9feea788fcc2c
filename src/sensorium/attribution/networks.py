"""Copies of a network for explanations: one that hooks may be put on, one whose weights are random."""

import copy
from itertools import chain

import torch
from torch import nn


def shared_copy(network: nn.Module) -> nn.Module:
    """The same network with modules of its own and the same weights: hooks on it do not touch predictions that are made
    meanwhile. Takes no memory for weights.
    """
    tensors = chain(network.parameters(), network.buffers())
    return copy.deepcopy(network, {id(tensor): tensor for tensor in tensors}).eval()


@torch.no_grad()
def randomized(network: nn.Module, *, seed: int) -> nn.Module:
    """A copy in which the numbers of every weight are shuffled: what it has learned is lost, and their distribution is
    not. Fit for any network, also without a way to initialize it again (J. Adebayo et al., "Sanity checks for saliency
    maps", 2018, arXiv 1810.03292, section 3: independent randomization of all layers at once).
    """
    other = copy.deepcopy(network).eval()
    generator = torch.Generator().manual_seed(seed)
    for weight in other.parameters():
        order = torch.randperm(weight.numel(), generator=generator).to(weight.device)
        weight.copy_(weight.flatten()[order].view_as(weight))
    return other
