"""``Technique.of``: an option made from somebody's class, with fields from its signature.

    register("mish", Activation.of(nn.Mish))
    register("group8", Norm.of(nn.GroupNorm, num_groups=8))

Here stands no torch, since listings read this: who names a class has imported it.
"""

from ablate.wrapping.wrap import Target, settle, versions, wrap, wrapping_of

__all__ = ["Target", "settle", "versions", "wrap", "wrapping_of"]
