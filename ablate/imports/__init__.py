"""Runs that others logged, as records: read from their trackers' files without running anything in them."""
