"""Common support and calipers: whom to compare, and how far to look."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ftz._refusals import one_of
from ftz.errors import EstimationError
from ftz.matching._checks import aligned

RULES = ("minmax", "treated_minmax", "crump", "fixed", "trim", "none")

#: What a rule's number is where none is given.
_LEVELS = {"fixed": 0.1, "trim": 0.05}


def common_support(
    score: pd.Series, treated: pd.Series, rule: str = "minmax", level: float | None = None
) -> pd.Series:
    """Say which rows lie where treated and controls overlap.

    Parameters
    ----------
    score, treated : pandas.Series
        As in :func:`match`.
    rule : str
        ``"minmax"`` keeps the scores inside both groups' ranges (Dehejia and
        Wahba 1999); ``"treated_minmax"`` drops only the treated outside the
        controls' range, as psmatch2's ``common``; ``"crump"`` keeps the scores in
        [a, 1 - a] with the *a* that minimises the variance bound of Crump, Hotz,
        Imbens and Mitnik (2009); ``"fixed"`` keeps [a, 1 - a] with a given *a*;
        ``"trim"`` drops the share of the treated at whose scores the controls are
        thinnest (Heckman, Ichimura and Todd 1997), as psmatch2's ``trim``;
        ``"none"`` keeps all.
    level : float, optional
        *a* of ``fixed``, 0.1 if not given; the share of ``trim``, 0.05 if not given.

    Raises
    ------
    EstimationError
        Unknown rule, a level the rule has no use for or outside [0, 1/2), unusable
        input, or a support without treated or controls.
    """
    score, status = aligned(score, treated)
    level = _level(rule, level)
    low_t, high_t = score[status].min(), score[status].max()
    low_c, high_c = score[~status].min(), score[~status].max()
    if rule == "minmax":
        keep = score.between(max(low_t, low_c), min(high_t, high_c))
    elif rule == "treated_minmax":
        keep = ~status | score.between(low_c, high_c)
    elif rule in ("crump", "fixed"):
        cut = _crump_cutoff(score) if level is None else level
        keep = score.between(cut, 1 - cut)
    elif level is not None:  # trim
        keep = ~status
        keep[status] = _dense(score, status, level)
    else:
        keep = pd.Series(True, score.index)
    if not keep[status].any() or not keep[~status].any():
        raise EstimationError(f"the rule {rule} leaves no treated or no controls: no overlap")
    return keep.rename("support")


def _level(rule: str, level: float | None) -> float | None:
    """Return the rule's number, its default where none is given; refuse what it cannot use."""
    one_of("support rule", rule, RULES)
    if level is None:
        return _LEVELS.get(rule)
    if rule not in _LEVELS:
        raise EstimationError(f"the rule {rule} takes no level")
    if not 0 <= level < 0.5:
        raise EstimationError(f"the level of {rule} lies in [0, 1/2), not at {level}")
    return level


def _dense(score: pd.Series, status: pd.Series, share: float) -> np.ndarray:
    """Say which treated are not among the share whose scores have fewest controls about."""
    from scipy.stats import gaussian_kde

    controls = score[~status].to_numpy()
    if len(controls) < 2 or np.ptp(controls) == 0:
        raise EstimationError("the rule trim needs controls with different scores")
    density = gaussian_kde(controls)(score[status].to_numpy())
    dropped = int(np.floor(share * len(density)))
    keep = np.ones(len(density), dtype=bool)
    keep[np.argsort(density, kind="stable")[:dropped]] = False
    return keep


def _crump_cutoff(score: pd.Series) -> float:
    """Return the optimal trimming point *a* of Crump et al. (2009), in [0, 1/2).

    Zero where trimming cannot lower the variance bound.  Their rule of thumb is 0.1.
    """
    values = np.asarray(score, float)
    if not ((values > 0) & (values < 1)).all():
        raise EstimationError("the rule crump needs probabilities strictly between 0 and 1")
    inverse_variance = np.sort(1 / (values * (1 - values)))
    means = np.cumsum(inverse_variance) / np.arange(1, len(values) + 1)
    inside = inverse_variance <= 2 * means
    if inside.all():
        return 0.0
    # The bound 2 E[g | g <= gamma] is a step function of gamma: take its last fixed point.
    gamma = 2 * means[np.flatnonzero(inside)[-1]]
    return float(0.5 - np.sqrt(0.25 - 1 / gamma))


def caliper_width(value: float, score: pd.Series, unit: str = "score") -> float:
    """Return a caliper in the units of ``score``.

    Parameters
    ----------
    value : float
        The caliper as a paper states it.
    score : pandas.Series
        What is matched on: pass the score or the linear index.
    unit : {"score", "sd"}
        Whether ``value`` counts units of ``score`` or its standard deviations.

    Raises
    ------
    EstimationError
        A caliper that is not positive, or an unknown unit.
    """
    if not value > 0:
        raise EstimationError(f"a caliper must be positive, not {value}")
    if unit == "score":
        return float(value)
    if unit == "sd":
        return float(value * np.std(np.asarray(score, float), ddof=1))
    raise EstimationError(f"unknown caliper unit {unit!r}: use score or sd")
