"""The errors of the package: each names the place and the remedy."""

from __future__ import annotations


class PrintproofError(ValueError):
    """Base class: something the caller can put right."""


class RecordError(PrintproofError):
    """A record of printed numbers, or what is declared about it, cannot be read."""


class SearchError(PrintproofError):
    """A search found no panel that meets the printed numbers."""
