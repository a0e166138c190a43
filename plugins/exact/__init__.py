"""The exact properties behind studies: each is computed and held against its formula.

With the techniques of a run where it has them, and with torch's own layers where it has not.
"""
