"""The errors of the machinery: one line that names the place and the remedy."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

import click


class BookError(click.ClickException):
    """Something that the caller can put right; a command prints it and exits with 2."""

    exit_code = 2


def near(name: object, known: Iterable[object]) -> str:
    """Return a hint at the known name that is nearest, or nothing.

    >>> near("robustnes", ["matching", "robustness"])
    " (did you mean 'robustness'?)"
    """
    hits = difflib.get_close_matches(str(name), [str(one) for one in known], n=1)
    return f" (did you mean {hits[0]!r}?)" if hits else ""
