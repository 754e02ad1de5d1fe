"""Figures: draw results, compute none; every function returns a closed matplotlib figure."""
