"""Text that Markdown shows as it is, and tables of it."""

from __future__ import annotations

import re
from collections.abc import Sequence


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
