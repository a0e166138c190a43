"""Studies: a claim, what is trained to test it, and what is measured. None says how it ends."""
