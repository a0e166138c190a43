"""The regularizers behind ``reg=…``, by the way they act."""
