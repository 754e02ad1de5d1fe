"""Refusals that many estimators make, in one wording."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

from ftz.errors import EstimationError


def no_column(missing: Sequence[object], columns: Iterable[object]) -> EstimationError:
    """Return the error for columns that a frame has not, with the names that are near.

    Parameters
    ----------
    missing : sequence
        Names that were asked for.
    columns : iterable
        Names that the frame has.
    """
    names = [str(name) for name in missing]
    text = f"the frame has no column {', '.join(names)}"
    if len(names) > 1 and all(len(name) == 1 for name in names):
        return EstimationError(f"{text}: give a list of names, not one text")
    known = [str(column) for column in columns]
    near = {name: difflib.get_close_matches(name, known, n=1) for name in names}
    hints = [match[0] for match in near.values() if match]
    return EstimationError(f"{text} (did you mean {', '.join(hints)}?)" if hints else text)


def one_of(what: str, value: object, known: Iterable[object]) -> None:
    """Refuse a choice that is none of those offered, in one wording.

    Raises
    ------
    EstimationError
        With the choices.

    Examples
    --------
    >>> one_of("link", "logistic", ["logit", "probit"])
    Traceback (most recent call last):
    ftz.errors.EstimationError: unknown link 'logistic': use logit or probit
    """
    *names, last = map(str, known)
    if value not in (*names, last):
        raise EstimationError(f"unknown {what} {value!r}: use {', '.join(names)} or {last}")
