"""The rules of the audit, one family a module.

Each rule is a function from a :class:`~printproof.study.Study` to the checks that it can
make there; where a paper prints nothing for it, it makes none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from printproof.rules import columns, groups, moments, numbers, official, ratios, words
from printproof.statement import Check
from printproof.study import Study

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
