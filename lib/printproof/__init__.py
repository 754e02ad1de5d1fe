"""What printed numbers imply: checks with proofs.

:func:`audit` runs every rule on the published record and returns a :class:`Ledger`, one
row a check, each with the arithmetic that decided it.  An *impossible* comes with a
certificate that :func:`verify` checks by a program of its own, in rational numbers.

Names are imported when they are first used, so that ``import printproof`` stays light.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from printproof._certificate import certificate, plain
    from printproof._constraint import CONSISTENT, IMPOSSIBLE, UNDECIDED, Check
    from printproof._exact import Span, cell, number
    from printproof._ledger import Ledger, audit, load_studies
    from printproof._study import OfficialFigures, OfficialRange, Study
    from printproof.checker import CertificateError, verify

#: Where each name is written.
_HOMES = {
    "_certificate": ("certificate", "plain"),
    "_exact": ("Span", "cell", "number"),
    "_ledger": ("Ledger", "audit", "load_studies"),
    "_constraint": ("CONSISTENT", "IMPOSSIBLE", "UNDECIDED", "Check"),
    "_study": ("OfficialFigures", "OfficialRange", "Study"),
    "checker": ("CertificateError", "verify"),
}

__all__ = [
    "CONSISTENT",
    "IMPOSSIBLE",
    "UNDECIDED",
    "CertificateError",
    "Check",
    "Ledger",
    "OfficialFigures",
    "OfficialRange",
    "Span",
    "Study",
    "audit",
    "cell",
    "certificate",
    "load_studies",
    "number",
    "plain",
    "verify",
]


def __getattr__(name: str) -> Any:
    home = next((home for home, names in _HOMES.items() if name in names), None)
    if home is None:
        raise AttributeError(f"module 'printproof' has no attribute {name!r}")
    return getattr(importlib.import_module(f"printproof.{home}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
