"""Data sets that are made up, each to show one thing that a network can or cannot do; ``data.py`` registers them."""
