"""The forms of a residual block: named by options, which need no torch, and built in ``networks/residual.py``."""

from __future__ import annotations

from enum import Enum


class Form(Enum):
    """What a block of layers W does to x; h is normalisation and activation.

    none: h(W·x), the same layers without the identity path · pre: x + W·h(x) (He et al. 2016, arXiv:1603.05027) ·
    post: act(x + norm(W·x)) (He et al. 2015, arXiv:1512.03385) · inside: x + h(W·x), "ReLU before addition".
    """

    none = "none"
    pre = "pre"
    post = "post"
    inside = "inside"
