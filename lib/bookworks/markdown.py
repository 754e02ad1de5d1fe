"""The lines of a page that are prose."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

_FENCE = re.compile(r"\s*(`{3,}|~{3,}|:{3,})\s*(?:\{([\w:-]+)\})?\s*(\w*)")


def prose_lines(text: str, apart: Collection[str]) -> Iterator[tuple[int, str]]:
    r"""Yield number and content of a page's lines but for its header, code and some directives.

    ``apart`` are the directives whose content is no prose; lines that open or close a directive
    are left out.

    >>> list(prose_lines("one\n```{math}\n2\n```\n:::{note}\nthree\n:::", {"math"}))
    [(1, 'one'), (6, 'three')]
    """
    header = re.match(r"---\n.*?\n---\n", text, flags=re.S)
    skipped, closing = header[0].count("\n") if header else 0, ""
    for number, line in enumerate(text.splitlines(), start=1):
        fence = _FENCE.match(line)
        if number <= skipped:
            continue
        if closing:
            if fence and fence[1].startswith(closing) and not line.strip(" `~:"):
                closing = ""
        elif fence is None:
            yield number, line
        elif fence[2] in apart or (not fence[2] and fence[3]):
            closing = fence[1]
