"""The errors of the package: each names the place and the remedy."""

from __future__ import annotations


class PrintproofError(ValueError):
    """Base class: something the caller can put right."""


class RecordError(PrintproofError):
    """A record of printed numbers, or what is declared about it, cannot be read.

    >>> from printproof.printed import rounding_interval
    >>> rounding_interval("about 5")
    Traceback (most recent call last):
    printproof.errors.RecordError: 'about 5' is not a printed number
    """


class SearchError(PrintproofError):
    """A search found no panel that meets the printed numbers.

    >>> from printproof.witness import Design, Model, Problem, Variable
    >>> x = Variable.given("x", [1.0, 2.0])
    >>> Problem((x,), (Model("(1)", "y", ("x",), Design([], [])),), ())
    Traceback (most recent call last):
    printproof.errors.SearchError: model '(1)' uses y, which the problem does not have
    """
