"""Residual blocks, in every form, from the kit."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from ablate.kit import Kit, Residual

from ..layers.forms import Form


def block(
    kit: Kit,
    form: Form,
    layers: Sequence[nn.Module],
    before: int,
    after: int,
    *,
    spatial: int = 0,
    shortcut: nn.Module | None = None,
    scale: float = 1.0,
) -> nn.Module:
    """Return ``layers`` as one block, (B, before, *S) → (B, after, *S'), with what the kit puts between them.

    ``shortcut`` stands on the identity path of a block that changes the shape. ``scale`` multiplies the branch. In
    the form ``pre`` x is the bare output of a layer, and what leaves the block still wants ``kit.hidden``; in the
    other forms both have been through it.
    """
    inner = [layers[0]]
    for layer in layers[1:]:
        inner += [kit.hidden(after, spatial), layer]
    if form is Form.pre:
        return Residual(nn.Sequential(kit.hidden(before, spatial), *inner), shortcut, scale)
    if form is Form.post:
        bare, activated = kit.around_activation(after, spatial)
        return nn.Sequential(Residual(nn.Sequential(*inner, *bare), shortcut, scale), *activated)
    branch = nn.Sequential(*inner, kit.hidden(after, spatial))
    return branch if form is Form.none else Residual(branch, shortcut, scale)
