"""Which arms a sweep runs: pure functions from factors to combinations of levels, one design a file."""
