"""The models, by what they take; ``model.py`` registers them. Their networks stand in ``networks/``."""
