"""The rules of the audit, one family a private module, and what their algebra says alone.

Each rule is a function from a :class:`printproof.Study` to the checks that it can make there;
where a paper prints nothing for it, it makes none.  :data:`RULES` lists them under their names
in the ledger.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from printproof._constraint import Check
from printproof._study import Study
from printproof.rules import _columns as columns
from printproof.rules import _groups as groups
from printproof.rules import _moments as moments
from printproof.rules import _numbers as numbers
from printproof.rules import _official as official
from printproof.rules import _ratios as ratios
from printproof.rules import _words as words
from printproof.rules._columns import (
    MOST_EFFECTS,
    Move,
    classical_step,
    classical_table,
    column_groups,
    moves,
)
from printproof.rules._official import city_years, least_slack

__all__ = [
    "MOST_EFFECTS",
    "RULES",
    "Move",
    "city_years",
    "classical_step",
    "classical_table",
    "column_groups",
    "least_slack",
    "moves",
]

Rule = Callable[[Study], Iterator[Check]]

#: All rules in the order of the ledger.
RULES: dict[str, Rule] = {
    "statistic": ratios.statistic,
    "not negative": ratios.not_negative,
    "p value": ratios.p_value,
    "interval": ratios.interval,
    "stars": ratios.stars,
    "order of moments": moments.order,
    "range": moments.span_of_ends,
    "spread": moments.spread,
    "0/1 variable": moments.dummies,
    "granularity": moments.granularity,
    "percentage": moments.percentages,
    "difference": groups.means,
    "difference error": groups.errors,
    "domain": moments.domain,
    "sample size": numbers.sample_sizes,
    "arithmetic": numbers.relations,
    "columns": columns.numbering,
    "fit": columns.fit,
    "overall fit": columns.overall,
    "classical errors": columns.classical,
    "constant": columns.constant,
    "mediation": columns.mediation,
    "words": words.claims,
    "official ranges": official.rows,
    "not decidable": words.undecidable,
}
