"""How a study ends: the verdict on its claim, from records or from a check."""
