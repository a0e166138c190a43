"""Default configuration; installed as ``ablate_conf``."""
