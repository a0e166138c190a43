"""Losses of more than one example at a time; ``loss.py`` registers them."""
