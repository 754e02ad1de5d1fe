"""Panels from printed tables: problems, their solutions, and how far a solution can move.

:class:`Problem` declares variables, models and printed numbers; :meth:`Problem.find` looks for a
panel and :meth:`Problem.ranges` for what the print leaves open.  :class:`Equation`,
:class:`Block` and :func:`solve` serve a search that is built by hand.
"""

from printproof.witness._aims import nested
from printproof.witness._moments import Array, Design
from printproof.witness._problem import (
    Coefficient,
    Correlation,
    Estimand,
    FittedPanel,
    Limit,
    Model,
    Problem,
    Range,
    RSquared,
    Target,
    Values,
    Variable,
)
from printproof.witness._solver import Block, Equation, Solution, newton, solve
from printproof.witness._workers import spread

__all__ = [
    "Array",
    "Block",
    "Coefficient",
    "Correlation",
    "Design",
    "Equation",
    "Estimand",
    "FittedPanel",
    "Limit",
    "Model",
    "Problem",
    "RSquared",
    "Range",
    "Solution",
    "Target",
    "Values",
    "Variable",
    "nested",
    "newton",
    "solve",
    "spread",
]
