"""Options and update rules of ``opt=…`` that ``optimizer.py`` has no room for."""
