"""The data sets behind ``data=…``."""
