"""How far two coders agree: Krippendorff's alpha, field by field.

One code a row is compared as it stands.  A list of identifiers is compared pair by pair:
of each pair that the manual allows, a coder says yes or no.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from itertools import combinations, permutations, product

import pandas as pd

from ftz.errors import EstimationError
from study.policy import FIELDS, _identifiers, _Policy

#: What pages say of these functions (see ``bookworks._lineage``).
__lineage__ = {"*": {"files": ["data/policy/*.csv"]}}


def _nominal_alpha(ratings: Sequence[Sequence[Hashable | None]]) -> float:
    r"""Return Krippendorff's alpha for names without an order.

    With :math:`n` pairable values, :math:`o_{cc}` agreements on value :math:`c` (a unit's
    pairs counted once for each of its other values) and :math:`n_c` uses of it,

    .. math:: \alpha = 1 - (n - 1) \frac{n - \sum_c o_{cc}}{n^2 - \sum_c n_c^2} .
    """
    if len({len(coder) for coder in ratings}) != 1:
        raise EstimationError("each coder needs a place for each unit, None where there is no code")
    used: Counter[Hashable] = Counter()
    agreed = 0.0
    for unit in zip(*ratings, strict=True):
        values = [value for value in unit if value is not None]
        if len(values) < 2:
            continue
        used.update(values)
        agreed += sum(a == b for a, b in permutations(values, 2)) / (len(values) - 1)
    n = used.total()
    by_chance = n**2 - sum(count**2 for count in used.values())
    if by_chance == 0:
        raise EstimationError("alpha needs at least two different codes in units coded twice")
    return 1 - (n - 1) * (n - agreed) / by_chance


def table(coded: _Policy) -> pd.DataFrame:
    """Return the agreement of the two coders on each field, before any resolution.

    ``coded`` is from :func:`study.policy.load`.

    Returns
    -------
    pandas.DataFrame
        Indexed by field: ``compared`` (rows, or pairs of a list), ``same`` (share that has
        the same code) and ``alpha``.
    """
    rows = {}
    for field in FIELDS:
        one, other = (_units(field, coded, coder) for coder in ("a", "b"))
        same = sum(a == b for a, b in zip(one, other, strict=True)) / len(one)
        rows[field] = {"compared": len(one), "same": same, "alpha": _nominal_alpha([one, other])}
    return (
        pd.DataFrame.from_dict(rows, orient="index").astype({"compared": int}).rename_axis("field")
    )


def _units(field: str, coded: _Policy, coder: str) -> list[Hashable]:
    """Return what a coder said of each unit of a field."""
    codes = coded.codings[coder][field]
    if field == "mechanism":
        return list(codes)
    asked = coded.proposals
    if field not in {"answers", "overlaps"}:
        return list(codes.loc[asked.index])
    chosen = {(name, other) for name, text in codes.items() for other in _identifiers(text)}
    pairs: Iterable[tuple[str, str]] = combinations(asked.index, 2)
    papers = asked["paper"].to_dict()
    if field == "answers":
        papers |= coded.problems["paper"].to_dict()
        pairs = product(asked.index, coded.problems.index)
    same_paper = field == "answers"
    return [pair in chosen for pair in pairs if (papers[pair[0]] == papers[pair[1]]) is same_paper]


def sentence(agreed: pd.DataFrame) -> str:
    """Say in one sentence where the coders agree most and least.

    ``agreed`` is from :func:`table`.
    """
    alpha = {str(field): float(value) for field, value in agreed["alpha"].items()}
    best, worst = max(alpha, key=alpha.__getitem__), min(alpha, key=alpha.__getitem__)
    return (
        f"Two coders agree most on {best} (alpha {alpha[best]:.2f}) and least on "
        f"{worst} ({alpha[worst]:.2f})."
    )
