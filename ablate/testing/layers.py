"""What every module in a network promises: layers of activations, norms, pools and regularizers, and whole models."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from ablate.techniques import Activation, Model, Pool, Regularizer, Technique
from ablate.testing.contract import Scope, contract, demand, seed_torch
from ablate.testing.gradients import TOLERANCE, worst_disagreement
from ablate.testing.places import Place, demand_shape, places

DTYPES = (torch.float32, torch.float64, torch.bfloat16)
LAYERS = ("act", "norm", "pool", "model")


def _seeded(module: nn.Module, x: Tensor) -> Tensor:
    seed_torch(0)
    out: Tensor = module(x)
    return out


def _equal(a: nn.Module, b: nn.Module, x: Tensor) -> bool:
    return torch.equal(_seeded(a.eval(), x), _seeded(b.eval(), x))


@contract(*LAYERS, scope=Scope.generated)
def keeps_its_shape(technique: Technique) -> None:
    """The output has the shape that the base class in ablate.techniques states, in training and in evaluation."""
    for place in places(technique):
        module = place.made()
        for mode in (True, False):
            demand_shape(place, module.train(mode)(place.input()))


@contract(*LAYERS)
def keeps_the_dtype(technique: Technique) -> None:
    """What comes in as float32, float64 or bfloat16 comes out as the same, after ``module.to(dtype)``."""
    for place in places(technique):
        for dtype in DTYPES:
            y = place.made(dtype)(place.input(dtype))
            demand(
                y.dtype == dtype,
                f"{place.where}, {dtype} comes out as {y.dtype}. Make constants with x.new_tensor or "
                "torch.full_like(x, …), and register tensors that a module owns as buffers.",
            )


@contract(*LAYERS, scope=Scope.defaults)
def builds_on_the_meta_device(technique: Technique) -> None:
    """The module can be built and called under ``torch.device("meta")``: no data, only shapes."""
    for place in places(technique):
        with torch.device("meta"):
            module = place.build()
        stray = [n for n, t in (*module.named_parameters(), *module.named_buffers()) if t.device.type != "meta"]
        demand(not stray, f"{', '.join(stray)} were made elsewhere. Make tensors without device=, or on x.device.")
        y = module(place.input().float().to("meta"))
        demand(y.device.type == "meta", "the output is on another device. Make tensors on x.device.")


@contract(*LAYERS, "reg", overrides="layer")
def leaves_its_input_alone(technique: Technique) -> None:
    """The input tensor is as it was: a residual path or a skip may still need it."""
    for place in places(technique):
        module = place.made()
        for mode in (True, False):
            x = place.input()
            _seeded(module.train(mode), x)
            demand(torch.equal(x, place.input()), f"{place.where} it changes its input. Do not work in place on x.")


@contract(*LAYERS)
def has_the_right_gradient(technique: Technique) -> None:
    """In float64 the gradient of input and parameters agrees with central differences, h = 1e-4, kinks left out.

    A surrogate gradient is waived.
    """
    for place in places(technique):
        for mode in (False,) if isinstance(technique, Model) else (True, False):  # of their layers, each by itself
            module = place.made().train(mode)
            start = {name: buffer.clone() for name, buffer in module.named_buffers()}
            x = place.input().requires_grad_()
            out = _seeded(module, x)
            weights = torch.randn(out.shape, generator=torch.Generator().manual_seed(2), dtype=out.dtype)

            def value(
                module: nn.Module = module, start: dict[str, Tensor] = start, x: Tensor = x, weights: Tensor = weights
            ) -> Tensor:
                for name, buffer in module.named_buffers():
                    buffer.copy_(start[name])  # what a forward pass in training keeps for the next
                return (_seeded(module, x) * weights).sum()

            inputs = [x] if mode else [x, *(p for p in module.parameters() if p.requires_grad)][:8]
            worst = worst_disagreement(value, inputs)
            demand(
                worst < TOLERANCE,
                f"{place.where} ({'training' if mode else 'evaluation'}) the gradient is off by {worst:.2g}. Mend "
                "backward(), or whatever is detached from the graph (.data, .item(), torch.no_grad).",
            )


@contract(*LAYERS)
def has_finite_gradients(technique: Technique) -> None:
    """Output and gradients are finite for float32 inputs of zero, and of a hundred in either direction."""
    for place in places(technique):
        if isinstance(technique, Model):
            inputs = [place.input(torch.float32), torch.zeros(place.shape)]
        else:
            inputs = [scale * place.input(torch.float32).sign() for scale in (0.0, 1.0, 100.0)]
        for x in inputs:
            y = _seeded(place.made(torch.float32), x.requires_grad_())
            gradient = torch.autograd.grad(y.sum(), x, allow_unused=True)[0] if y.requires_grad else None
            finite = bool(y.isfinite().all()) and (gradient is None or bool(gradient.isfinite().all()))
            size = float(x.detach().abs().max())
            demand(finite, f"{place.where}, inputs of size {size:g} give NaN or infinity. Clamp, or add an eps.")


@contract(*LAYERS)
def comes_back_from_its_state_dict(technique: Technique) -> None:
    """A fresh module that loads the state_dict of another gives the same output: a checkpoint holds all of it."""
    for place in places(technique):
        trained = place.made()
        for seed in (1, 2):
            _seeded(trained.train(), place.input(seed=seed))
        seed_torch(9)
        fresh = place.build().double()
        fresh.load_state_dict(trained.state_dict())
        demand(
            _equal(trained, fresh, place.input()),
            f"{place.where} a reloaded module gives another output. Keep tensors that change, or that are drawn at "
            "random, as parameters or persistent buffers.",
        )


@contract(*LAYERS)
def can_be_copied(technique: Technique) -> None:
    """``copy.deepcopy`` of the module gives the same output and shares nothing: averaging the weights needs it."""
    for place in places(technique):
        module = place.made()
        twin = copy.deepcopy(module)
        demand(_equal(module, twin, place.input()), f"{place.where} the copy gives another output.")
        with torch.no_grad():
            for parameter in twin.parameters():
                parameter.zero_()
        demand(_equal(module, place.made(), place.input()), f"{place.where} the copy shares weights with the original.")


@contract(*LAYERS, "reg", overrides="layer")
def repeats_with_its_seed(technique: Technique) -> None:
    """The same seed builds the same module and gives the same training output."""
    for place in places(technique):
        outputs = []
        for _ in range(2):
            seed_torch(0)
            outputs.append(_seeded(place.build().double().train(), place.input()))
        demand(
            torch.equal(*outputs),
            f"{place.where} two modules of one seed differ. Draw from torch alone, neither numpy nor random.",
        )


@contract(*LAYERS, "reg", overrides="layer")
def does_not_mix_examples(technique: Technique) -> None:
    """In evaluation each example's output is the same whatever else is in the batch."""
    for place in places(technique):
        module = place.made()
        _seeded(module.train(), place.input(seed=1))
        module.eval()
        x = place.input()
        alone = torch.cat([_seeded(module, part) for part in x.split(1)])
        together = _seeded(module, x)
        demand(
            torch.allclose(alone, together, rtol=0, atol=1e-10),
            f"{place.where} an example's output depends on its neighbours in the batch. In evaluation use running "
            "statistics, not those of the batch, and reduce over dims from 1 on.",
        )


@contract(*LAYERS, "reg", overrides="layer")
def stays_as_it_is_in_evaluation(technique: Technique) -> None:
    """A forward pass in evaluation changes no parameter and no buffer."""
    for place in places(technique):
        module = place.made().eval()
        before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
        _seeded(module, 3 + place.input())
        moved = [n for n, t in module.state_dict().items() if not torch.equal(t, before[n])]
        demand(
            not moved,
            f"{place.where}, {', '.join(moved)} move in evaluation. Update statistics only `if self.training`.",
        )


@contract("act", "pool")
def is_the_same_in_evaluation(technique: Activation | Pool) -> None:
    """Training and evaluation give the same output; randomness in training is waived, or is a regularizer."""
    for place in places(technique):
        module = place.made()
        same = torch.equal(_seeded(module.train(), place.input()), _seeded(module.eval(), place.input()))
        demand(same, f"{place.where} training and evaluation differ. Waive this contract if that is the technique.")


@contract("reg", overrides="layer")
def does_nothing_in_evaluation(technique: Regularizer) -> None:
    """In evaluation the layer of a regularizer returns its input, to the last bit."""
    for place in places(technique):
        module = place.made().eval()
        x = place.input()
        demand(
            torch.equal(_seeded(module, x), x),
            f"{place.where} the layer acts in evaluation. Return x unless self.training (F.dropout(x, p, "
            "self.training)).",
        )


@contract("reg", overrides="layer")
def keeps_the_expectation(technique: Regularizer) -> None:
    """In training the layer of a regularizer leaves the mean as it was: what it drops is made up for."""
    for place in places(technique):
        module = place.made().train()
        x = torch.ones(20_000, *place.shape[1:], dtype=torch.float64)
        y = _seeded(module, x)
        demand_shape(Place(place.where, place.build, place.shape, tuple(x.shape)), y)
        means = y.flatten(1).mean(1)  # (B,)
        off = abs(float(means.mean()) - 1)
        demand(
            off <= 6 * float(means.std()) / len(means) ** 0.5 + 1e-9,
            f"{place.where} the mean of ones becomes {1 + off:.3g} or {1 - off:.3g}. Divide what is kept by 1 - p.",
        )
