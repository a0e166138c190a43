"""The networks behind ``model=…``, assembled from the kit."""
