"""The errors of the library: each names the place and the remedy."""

from __future__ import annotations


class FtzError(ValueError):
    """Base class: something the caller can put right."""


class PanelError(FtzError):
    """A panel, or the file of one, breaks its contract.

    Parameters
    ----------
    problem : str
        What is wrong, in words.
    file, column, row : optional
        Where: the file, the column's name and the row, counted as a text
        editor counts (the header is line 1).
    expected : str, optional
        What the contract asks for.

    Examples
    --------
    >>> str(PanelError("text, not a number", file="panel.csv", column="income", row=7))
    'file panel.csv, column income, row 7: text, not a number'
    """

    def __init__(
        self,
        problem: str,
        *,
        file: str | None = None,
        column: str | None = None,
        row: int | None = None,
        expected: str | None = None,
    ) -> None:
        self.problem, self.file, self.column = problem, file, column
        self.row, self.expected = row, expected
        place = ", ".join(
            f"{label} {value}"
            for label, value in (("file", file), ("column", column), ("row", row))
            if value is not None
        )
        message = f"{place}: {problem}" if place else problem
        super().__init__(f"{message}; expected {expected}" if expected else message)


class EstimationError(FtzError):
    """An estimator cannot answer on this sample (singular design, no treated units, ...)."""
