"""The exact properties behind studies: each is computed with the real techniques and held against its formula."""
