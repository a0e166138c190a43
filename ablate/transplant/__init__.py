"""The kit in a network that somebody else wrote: its modules replaced, its shapes and the rest of it left alone."""

from ablate.transplant.told import Replaced, Replacements
from ablate.transplant.transplant import transplant

__all__ = ["Replaced", "Replacements", "transplant"]
