"""Data sets of the user's own: the options; what reads them stands in ``datasets/``."""
