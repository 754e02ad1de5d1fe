"""Panels that meet printed tables: the problem, the search, and whether it is right."""
