"""The ledger: every check of every paper, one row each."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from printproof._certificate import confirmed
from printproof._constraint import CONSISTENT, IMPOSSIBLE, STRENGTHS, UNDECIDED, Check
from printproof._study import Study
from printproof.errors import RecordError
from printproof.printed import Record
from printproof.rules import RULES

if TYPE_CHECKING:
    import pandas as pd

VERDICTS = (IMPOSSIBLE, UNDECIDED, CONSISTENT)


@dataclass(frozen=True)
class Ledger:
    """The outcome of an audit.

    Attributes
    ----------
    checks : tuple of Check
    studies : tuple of printproof.Study
        What was audited, for certificates.
    """

    checks: tuple[Check, ...]
    studies: tuple[Study, ...]

    def __len__(self) -> int:
        return len(self.checks)

    def __iter__(self) -> Iterator[Check]:
        return iter(self.checks)

    def select(self, **wanted: str) -> list[Check]:
        """Return the checks whose fields (paper, rule, verdict) equal the given ones."""
        return [c for c in self if all(getattr(c, k) == v for k, v in wanted.items())]

    def study(self, paper: str) -> Study:
        """Return the study of one paper."""
        return next(s for s in self.studies if s.paper == paper)

    @property
    def counts(self) -> dict[str, int]:
        """Number of checks by verdict."""
        found = Counter(check.verdict for check in self)
        return {verdict: found[verdict] for verdict in VERDICTS}

    @property
    def frame(self) -> pd.DataFrame:
        """One row a check, from its paper and rule to its reasoning and cells."""
        import pandas as pd

        columns = ["paper", "rule", "title", "verdict", "strength", "reasoning", "declare", "cells"]
        rows = [{name: getattr(c, name) for name in columns} for c in self]
        return pd.DataFrame(rows, columns=columns)

    @property
    def findings(self) -> list[Check]:
        """The impossible checks, those that rest on the least first."""
        found = self.select(verdict=IMPOSSIBLE)
        return sorted(found, key=lambda check: STRENGTHS.index(check.strength))

    @property
    def used(self) -> dict[str, list[str]]:
        """Every printed cell, and the rules that used it."""
        found: dict[str, list[str]] = {p.id: [] for s in self.studies for p in s.record}
        for check in self:
            for cell in check.cells:
                if check.rule not in found[cell]:
                    found[cell].append(check.rule)
        return found

    def json_lines(self) -> str:
        """One JSON object a line: ``paper``, ``cells``, ``rule``, ``verdict``, ``reasoning`` ...

        ``strength`` says what the verdict rests on, ``premises`` lists it, and ``declare``
        holds the lines that would decide an undecided check.
        """
        keys = ("paper", "cells", "rule", "verdict", "reasoning", "title", "strength")
        lines = (
            {
                **{key: getattr(check, key) for key in keys},
                "premises": [{"name": p.name, "declared": p.declared} for p in check.premises],
                "declare": check.declare,
            }
            for check in self
        )
        return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)

    @property
    def account(self) -> str:
        """Say in one line what became of every printed cell."""
        used = self.used
        words = [w for s in self.studies for w in s.words.values()]
        empty = sum(not w.strip(" -–—.…") for w in words)
        read = sum(bool(rules) for rules in used.values())
        return (
            f"{len(used) + len(words)} printed cells: {read} used, "
            f"{len(used) - read} not used by any rule, {len(words) - empty} words, {empty} empty, "
            "0 not understood"
        )

    def echo(self) -> str:
        """One line a printed cell: its name, what was read, and the rules that used it."""
        used = self.used
        lines = []
        for study in self.studies:
            for p in study.record:
                rules = ", ".join(used[p.id]) or "not used by any rule"
                lines.append(f"{p.id}: {p.text}{p.stars} ({p.kind}): {rules}")
            lines += [
                f"{name}: {word or 'empty'} (no number)" for name, word in study.words.items()
            ]
        return "\n".join(lines)

    def __repr__(self) -> str:
        words = ", ".join(f"{n} {verdict}" for verdict, n in self.counts.items())
        return f"Ledger of {len(self)} checks: {words}"


def audit(studies: list[Study]) -> Ledger:
    """Run every rule on every study; *impossible* is only what the verifier confirms.

    Parameters
    ----------
    studies : list of printproof.Study

    Raises
    ------
    RecordError
        If a declaration cannot be read or names a cell that is not in the record.
    """
    checks = (
        check
        for study in studies
        for check in confirmed((c for rule in RULES.values() for c in rule(study)), study)
    )
    return Ledger(tuple(checks), tuple(studies))


def load_studies(folder: Path) -> list[Study]:
    """Read a record of several papers with what is declared about each.

    The folder holds ``papers.yml``, ``checks.yml``, ``claims.csv`` and a file of cells a paper.

    Raises
    ------
    RecordError
        If a file is malformed.

    Examples
    --------
    >>> load_studies(Path("nowhere"))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    printproof.errors.RecordError: checks.yml: cannot be read ...
    """
    declared = _yaml(folder / "checks.yml")
    claims = _claims(folder / "claims.csv")
    known = _yaml(folder / "papers.yml")
    unknown = set(declared) - set(known)
    if unknown:
        raise RecordError(f"checks.yml: no paper {', '.join(sorted(unknown))} in papers.yml")
    return [
        Study(
            key,
            Record.read(folder / f"{key}.csv"),
            declared.get(key, {}),
            claims.get(key, {}),
        )
        for key in known
    ]


def _yaml(path: Path) -> dict[str, Any]:
    import yaml

    try:
        found = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise RecordError(f"{path.name}: cannot be read ({error})") from None
    if not isinstance(found, dict):
        raise RecordError(f"{path.name}: expected one entry a paper")
    return found


def _claims(path: Path) -> dict[str, dict[str, tuple[str, str]]]:
    import pandas as pd

    try:
        frame = pd.read_csv(path, dtype=str, keep_default_na=False)
        rows = frame[["paper", "claim", "text", "where"]].to_numpy().tolist()
    except (OSError, KeyError, ValueError) as error:
        raise RecordError(f"{path.name}: cannot be read ({error})") from None
    found: dict[str, dict[str, tuple[str, str]]] = {}
    for paper, claim, text, where in rows:
        found.setdefault(paper, {})[claim] = (text, where)
    return found
