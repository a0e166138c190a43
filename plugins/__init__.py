"""The options that ship with ablate: one file a kind; installed as ``ablate_plugins``."""
