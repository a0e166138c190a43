"""Layers of our own behind the options, where torch has none."""
