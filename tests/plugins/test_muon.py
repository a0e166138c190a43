from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from ablate.techniques import Optimizer
from tests.helpers import make, normal

SHAPES = [(4, 4), (3, 7), (7, 3), (5, 1)]
A, B, C = 3.4445, -4.7750, 2.0315


def orthogonalised(matrix: Tensor, steps: int) -> Tensor:
    """Newton-Schulz on the singular values themselves, from their definition."""
    u, s, v = torch.linalg.svd(matrix, full_matrices=False)
    s = s / s.square().sum().sqrt()
    for _ in range(steps):
        s = A * s + B * s**3 + C * s**5
    product: Tensor = (u * s) @ v
    return product


def gradients(*shape: int) -> list[Tensor]:
    return [normal(*shape, seed=seed) for seed in range(5)]


def follow(shape: tuple[int, ...], **params: float) -> list[Tensor]:
    w = nn.Parameter(normal(*shape, seed=9))
    optimizer = make(Optimizer, "muon", **params).build([w])
    path = []
    for g in gradients(*shape):
        w.grad = g.clone()
        optimizer.step()
        path.append(w.detach().clone())
    return path


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("momentum", "steps", "weight_decay"), [(0.95, 5, 0.0), (0.6, 2, 0.3)])
def test_a_matrix_follows_the_rule(shape: tuple[int, int], momentum: float, steps: int, weight_decay: float) -> None:
    w, m = normal(*shape, seed=9), torch.zeros(shape, dtype=torch.float64)
    expected = []
    for g in gradients(*shape):
        m = momentum * m + (1 - momentum) * g
        step = orthogonalised((1 - momentum) * g + momentum * m, steps)
        w = w - 0.02 * (max(1, shape[0] / shape[1]) ** 0.5 * step + weight_decay * w)
        expected.append(w)
    path = follow(shape, momentum=momentum, steps=steps, weight_decay=weight_decay)
    torch.testing.assert_close(torch.stack(path), torch.stack(expected), rtol=0, atol=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_matrix_follows_torch_as_far_as_bfloat16_goes(shape: tuple[int, int]) -> None:
    if not hasattr(torch.optim, "Muon"):
        pytest.skip("torch has it from 2.9 on")
    w = nn.Parameter(normal(*shape, seed=9))
    optimizer = torch.optim.Muon([w], lr=0.02, momentum=0.95, weight_decay=0.1)
    for g, ours in zip(gradients(*shape), follow(shape, weight_decay=0.1), strict=True):
        w.grad = g.clone()
        optimizer.step()
        torch.testing.assert_close(ours, w.detach(), rtol=0, atol=4e-3)


def test_singular_values_of_a_step_are_about_one() -> None:
    before, after = normal(6, 9, seed=9), follow((6, 9), lr=1.0)[0]
    values = torch.linalg.svdvals(before - after)
    assert 0.6 < values.min() <= values.max() < 1.3


def test_a_kernel_is_a_matrix_of_its_output_channels() -> None:
    kernel = nn.Parameter(normal(4, 3, 2, 2))
    matrix = nn.Parameter(kernel.detach().reshape(4, 12).clone())
    for w in (kernel, matrix):
        optimizer = make(Optimizer, "muon").build([w])
        for seed in range(3):
            w.grad = normal(4, 12, seed=seed).view_as(w)
            optimizer.step()
    assert torch.equal(kernel.detach().reshape(4, 12), matrix.detach())


@pytest.mark.parametrize("weight_decay", [0.0, 0.3])
def test_a_bias_follows_adamw(weight_decay: float) -> None:
    bias, other = (nn.Parameter(normal(5, seed=9)) for _ in range(2))
    ours = make(Optimizer, "muon", adam_lr=0.01, weight_decay=weight_decay).build([bias])
    torchs = torch.optim.AdamW([other], lr=0.01, betas=(0.9, 0.95), eps=1e-10, weight_decay=weight_decay)
    for seed in range(5):
        bias.grad = normal(5, seed=seed)
        other.grad = normal(5, seed=seed)
        ours.step()
        torchs.step()
        torch.testing.assert_close(bias.detach(), other.detach(), rtol=0, atol=1e-12)


def test_a_schedule_moves_both_rates() -> None:
    net = nn.Linear(3, 2)
    optimizer = make(Optimizer, "muon", lr=0.5, adam_lr=0.1).build(net.parameters())
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda t: 0.5**t)
    net(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    schedule.step()
    assert [group["lr"] for group in optimizer.param_groups] == [0.25, 0.05]
