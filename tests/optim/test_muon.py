import pytest
import torch
from torch import Tensor, nn

from sensorium.errors import RequestError
from sensorium.optim.muon import Muon, orthogonalize


def muon(params: list, *, lr: float = 0.1, weight_decay: float = 0.0, momentum: float = 0.9) -> Muon:
    return Muon(params, lr=lr, weight_decay=weight_decay, momentum=momentum, adam_lr_ratio=0.5, betas=(0.9, 0.99))


def by_singular_values(matrix: Tensor) -> Tensor:
    """What the quintic does to each singular value, in float64: the reference that needs no matrix product."""
    u, s, vt = torch.linalg.svd(matrix.double(), full_matrices=False)
    s = s / s.square().sum().sqrt()
    for _ in range(5):
        s = 3.4445 * s - 4.7750 * s**3 + 2.0315 * s**5
    return u @ torch.diag(s) @ vt


@pytest.mark.parametrize("shape", [(8, 24), (24, 8), (16, 16), (1, 5)])
def test_orthogonalize_follows_its_polynomial(shape: tuple[int, int]) -> None:
    matrices = torch.randn(3, *shape, generator=torch.Generator().manual_seed(0))
    result = orthogonalize(matrices, dtype=torch.float32)
    assert result.shape == matrices.shape
    assert result.dtype == torch.float32
    for matrix, orthogonal in zip(matrices, result, strict=True):
        torch.testing.assert_close(orthogonal.double(), by_singular_values(matrix), atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("shape", [(16, 64), (64, 16)])
def test_singular_values_are_near_one(shape: tuple[int, int], dtype: torch.dtype) -> None:
    matrices = 1e-3 * torch.randn(4, *shape, generator=torch.Generator().manual_seed(1))
    values = torch.linalg.svdvals(orthogonalize(matrices, dtype=dtype).float())
    assert values.min() > 0.65
    assert values.max() < 1.2


def test_a_zero_matrix_stays_zero() -> None:
    assert orthogonalize(torch.zeros(1, 3, 4), dtype=torch.float32).abs().max() == 0


@pytest.mark.parametrize("shape", [(6, 20), (20, 6)])
def test_matrices_move_as_with_torch_muon(shape: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(2)
    start = torch.randn(shape, generator=generator)
    ours, theirs = nn.Parameter(start.clone()), nn.Parameter(start.clone())
    optimizer = muon([ours], lr=0.02, weight_decay=0.3)
    reference = torch.optim.Muon([theirs], lr=0.02, weight_decay=0.3, momentum=0.9, nesterov=True)
    for _ in range(10):
        ours.grad = torch.randn(shape, generator=generator)
        theirs.grad = ours.grad.clone()
        optimizer.step()
        reference.step()
    # torch computes in bfloat16 (8 bits), this on the CPU in float32: equal to about 1% of the way gone.
    assert (ours - theirs).norm() < 0.015 * (ours - start).norm()


def test_other_parameters_move_as_with_torch_adamw() -> None:
    generator = torch.Generator().manual_seed(3)
    starts = torch.randn(5), torch.randn(3, 4), torch.randn(1, 2, 4), torch.randn(6, 4)
    ours = [nn.Parameter(tensor.clone()) for tensor in starts]
    theirs = [nn.Parameter(tensor.clone()) for tensor in starts]
    names = ("backbone.decay", "head.decay", "backbone.no_decay", "backbone.embedding")
    optimizer = muon(
        [{"name": name, "params": [param]} for name, param in zip(names, ours, strict=True)], lr=0.1, weight_decay=0.2
    )
    reference = torch.optim.AdamW(theirs, lr=0.05, weight_decay=0.2, betas=(0.9, 0.99), eps=1e-8)
    for _ in range(10):
        for our, their in zip(ours, theirs, strict=True):
            our.grad = torch.randn(our.shape, generator=generator)
            their.grad = our.grad.clone()
        optimizer.step()
        reference.step()
    for our, their in zip(ours, theirs, strict=True):
        torch.testing.assert_close(our, their)


def test_filters_are_one_matrix_and_channels_last_changes_nothing() -> None:
    start = torch.randn(4, 3, 2, 2, generator=torch.Generator().manual_seed(4))
    gradient = torch.randn(4, 3, 2, 2, generator=torch.Generator().manual_seed(5))
    filters, matrix = nn.Parameter(start.clone()), nn.Parameter(start.reshape(4, 12).clone())
    last = nn.Parameter(start.clone(memory_format=torch.channels_last))
    for parameter in (filters, matrix, last):
        parameter.grad = gradient.reshape(parameter.shape).clone()
    muon([filters]).step()
    muon([matrix]).step()
    muon([last]).step()
    assert torch.equal(filters.reshape(4, 12), matrix)
    assert torch.equal(filters, last)
    # One step of lr 0.1 along an orthogonal direction: all singular values of the change are near 0.1.
    change = torch.linalg.svdvals((filters - start).detach().reshape(4, 12))
    assert 0.065 < change.min() <= change.max() < 0.12


def test_parameters_of_one_shape_do_not_mix() -> None:
    generator = torch.Generator().manual_seed(6)
    together = [nn.Parameter(torch.zeros(4, 6)) for _ in range(3)]
    for parameter in together:
        parameter.grad = torch.randn(4, 6, generator=generator)
    muon(together).step()
    for parameter in together:
        alone = nn.Parameter(torch.zeros(4, 6))
        alone.grad = parameter.grad
        muon([alone]).step()
        torch.testing.assert_close(alone, parameter)


def test_converges_on_a_quadratic() -> None:
    generator = torch.Generator().manual_seed(7)
    target = torch.randn(6, 4, generator=generator)
    weight, bias = nn.Parameter(torch.zeros(6, 4)), nn.Parameter(torch.ones(4))
    optimizer = muon([weight, bias], lr=0.1)
    for step in range(200):
        optimizer.param_groups[0]["lr"] = 0.1 * (1 - step / 200)
        optimizer.zero_grad()
        loss = ((weight - target) ** 2).sum() + (bias**2).sum()
        loss.backward()
        optimizer.step()
    assert loss < 0.01  # from about 24 + 4


def test_wrong_momentum_is_refused() -> None:
    with pytest.raises(RequestError, match=r"optimizer\.momentum is 1; .* below 1"):
        muon([nn.Parameter(torch.ones(2, 2))], momentum=1)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_the_gpu_agrees_to_the_precision_of_bfloat16() -> None:
    start = torch.randn(16, 3, 3, 3, generator=torch.Generator().manual_seed(8))
    here, there = nn.Parameter(start.clone()), nn.Parameter(start.clone().cuda())
    for parameter in (here, there):
        optimizer = muon([parameter])
        for step in range(5):
            generator = torch.Generator().manual_seed(step)
            parameter.grad = torch.randn(start.shape, generator=generator).to(parameter.device)
            optimizer.step()
    assert (here - there.cpu()).norm() < 0.02 * (here - start).norm()
