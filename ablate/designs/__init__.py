"""Which arms a sweep runs: pure functions from factors to combinations of levels, one design a file.

Nothing is imported here: ``fractional`` and ``path`` bring pyDOE3 and scipy along, and only who asks for them waits.
"""
