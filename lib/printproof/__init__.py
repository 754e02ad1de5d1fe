"""What printed numbers imply: checks with proofs.

:func:`audit` runs every rule on the published record and returns a :class:`Ledger`, one
row a check, each with the arithmetic that decided it.  An *impossible* comes with a
certificate that :func:`verify` checks by a program of its own, in rational numbers.
"""

from __future__ import annotations

from printproof.certificate import certificate, plain
from printproof.checker import CertificateError, verify
from printproof.ledger import Ledger, audit, load_studies
from printproof.statement import (
    CONSISTENT,
    IMPOSSIBLE,
    UNDECIDED,
    Branch,
    Check,
    Premise,
    Statement,
)
from printproof.study import OfficialFigures, OfficialRange, Study

__all__ = [
    "CONSISTENT",
    "IMPOSSIBLE",
    "UNDECIDED",
    "Branch",
    "CertificateError",
    "Check",
    "Ledger",
    "OfficialFigures",
    "OfficialRange",
    "Premise",
    "Statement",
    "Study",
    "audit",
    "certificate",
    "load_studies",
    "plain",
    "verify",
]
