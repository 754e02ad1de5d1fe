"""Text that Markdown shows as it is, and the lines of a page that are prose."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence

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


def plain(value: object) -> str:
    r"""Return a value with every sign escaped that Markdown could read.

    >>> plain("a*b")
    'a\\*b'
    """
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", str(value).replace("\n", " "))


def code(text: str) -> str:
    r"""Return a code span of a text for a table's cell: no quote in it is curled.

    >>> code("a `b` | c")
    '`` a `b` \\| c ``'
    """
    fence = "`" * (max(map(len, re.findall("`+", text)), default=0) + 1)
    shown = text.replace("\n", " ").replace("|", "\\|")
    return f"{fence} {shown} {fence}" if text else ""


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    r"""Return a table of texts that are Markdown already.

    >>> table(["leaf"], [["green"]])
    '| leaf |\n| --- |\n| green |\n'
    """
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"
