"""Figures: draw results, compute none; every function returns a closed matplotlib figure."""

#: What pages say of these functions (see ``bookworks._lineage``).
__lineage__ = {"*": {"role": "drawing"}}
