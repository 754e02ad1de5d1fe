"""Matching in a panel: all rows together, year by year, or in one year before anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from ftz._refusals import one_of
from ftz._results import Result
from ftz.errors import EstimationError
from ftz.matching._checks import binary, numbers
from ftz.matching._effect import att
from ftz.matching._matches import Matches, kernel_match, match
from ftz.matching._score import ScoreResult, propensity_score
from ftz.matching._support import common_support

SCHEMES = ("pooled", "by_year", "baseline")


@dataclass(frozen=True, kw_only=True, repr=False)
class PanelMatches(Result):
    """Matches of a panel's rows or units.

    Attributes
    ----------
    scheme : str
        ``pooled``, ``by_year`` or ``baseline``.
    matches : mapping
        Period to its matches; one entry, ``"all"``, where the scheme is pooled.
    fits : mapping
        Period to its fitted score.
    skipped : mapping
        Period to the reason why nobody was matched in it.
    weights : pandas.Series
        On the panel's rows: what each counts for in a regression on the matched sample,
        zero if it is not in it.  Under ``baseline`` a unit keeps its weight in all periods.
    """

    no_interval = "matches are no estimate: effects(outcome) has standard errors"

    scheme: str
    matches: Mapping[object, Matches]
    fits: Mapping[object, ScoreResult]
    skipped: Mapping[object, str] = field(default_factory=dict)
    weights: pd.Series

    @property
    def summary(self) -> pd.DataFrame:
        """One row a period; treated matched and dropped, controls used, effective controls."""
        rows = {
            period: {
                "treated": pairs.n_treated,
                "dropped": pairs.n_unmatched,
                "controls_used": pairs.n_controls_used,
                "controls_offered": len(pairs.controls),
                "effective_controls": pairs.effective_controls,
            }
            for period, pairs in self.matches.items()
        }
        return pd.DataFrame(rows).T.rename_axis("period")

    def effects(self, outcome: pd.Series, **options: Any) -> pd.DataFrame:
        """Return the effect on the treated in each period, and over all.

        Parameters
        ----------
        outcome : pandas.Series
            On the panel's rows; under ``baseline`` on the units.
        **options
            As :func:`att`.

        Returns
        -------
        pandas.DataFrame
            Rows by period and ``all``; ``estimate``, ``std_error``, ``treated``.  The
            last row weights periods by their treated and takes them as independent,
            which repeated observations of one city are not.  A period with one
            treated unit or one control has no standard error.
        """
        results = {}
        for period, pairs in self.matches.items():
            alone = min(pairs.n_treated, pairs.n_controls_used) < 2
            results[period] = att(outcome, pairs, **(options | ({"se": "none"} if alone else {})))
        table = pd.DataFrame(
            {
                "estimate": {period: r.att for period, r in results.items()},
                "std_error": {period: r.std_error for period, r in results.items()},
                "treated": {period: r.n_treated for period, r in results.items()},
            }
        )
        if "all" in table.index:
            return table
        share = table["treated"] / table["treated"].sum()
        table.loc["all"] = [
            (share * table["estimate"]).sum(),
            np.sqrt((share**2 * table["std_error"] ** 2).sum(skipna=False)),
            table["treated"].sum(),
        ]
        return table.astype({"treated": int})

    @property
    def _head(self) -> str:
        return f"{self.scheme} matching"

    @property
    def _remarks(self) -> list[str]:
        return [f"{period}: {why}" for period, why in self.skipped.items()]


def match_panel(
    frame: pd.DataFrame,
    treatment: str,
    covariates: Sequence[str],
    *,
    scheme: str = "pooled",
    score: str = "own",
    on: str = "linear_index",
    link: str = "logit",
    support: str = "none",
    baseline: int | None = None,
    unit: str = "city",
    time: str = "year",
    **options: Any,
) -> PanelMatches:
    """Fit scores and match, in one of three ways that papers use and seldom tell apart.

    Parameters
    ----------
    frame : pandas.DataFrame
        One row a unit and period, an index without duplicates.
    treatment : str
        0/1.  For ``pooled`` and ``by_year`` its value in each row decides; for
        ``baseline`` a unit counts as treated if it ever is.
    covariates : sequence of str
    scheme : {"pooled", "by_year", "baseline"}
        One score and one matching for all rows, where a city may be matched to another
        year, even to itself before treatment; a matching in each period; a matching of
        units by their covariates in one period before treatment.
    score : {"own", "pooled"}
        For ``by_year``: a score from each period, or one from all rows.  A period of
        13 cities seldom carries a score of its own.
    on : {"linear_index", "score"}
    link, support : str
        As :func:`propensity_score` and :func:`common_support` (within each matching).
    baseline : int, optional
        For ``baseline``: its period; the last one before any treatment if not given.
    unit, time : str
    **options
        As :func:`match`: method, k, caliper, replacement, ties, order, seed; or as
        :func:`kernel_match`: kernel, bandwidth.

    Raises
    ------
    EstimationError
        As the functions called, with the period named; unknown options; a baseline in
        which somebody is treated already; no period with treated and controls.
    """
    choices = {scheme: SCHEMES, score: ("own", "pooled"), on: ("linear_index", "score")}
    for value, allowed in choices.items():
        one_of("choice", value, allowed)
    columns = [treatment, *covariates]
    binary(frame, treatment)
    numbers(frame, columns)
    how = _How(treatment, list(covariates), on, link, support, options)
    if scheme == "pooled":
        fit, pairs = how.run(frame)
        weights = pairs.sample_weights.reindex(frame.index, fill_value=0.0)
        return PanelMatches(
            scheme=scheme, matches={"all": pairs}, fits={"all": fit}, weights=weights
        )
    if scheme == "baseline":
        return _baseline(frame, how, baseline, unit, time)
    fits: dict[object, ScoreResult] = {}
    matches: dict[object, Matches] = {}
    skipped: dict[object, str] = {}
    whole = how.fit(frame) if score == "pooled" else None
    for period, rows in frame.groupby(time, sort=True):
        share = rows[treatment].mean()
        if share in (0, 1):
            skipped[period] = "nobody is treated" if share == 0 else "everybody is treated"
            continue
        try:
            fits[period], matches[period] = how.run(rows, whole)
        except EstimationError as error:
            raise EstimationError(f"{time} {period}: {error}") from error
    if not matches:
        raise EstimationError(f"no {time} has treated and controls")
    weights = pd.concat([pairs.sample_weights for pairs in matches.values()])
    return PanelMatches(
        scheme=scheme,
        matches=matches,
        fits=fits,
        skipped=skipped,
        weights=weights.reindex(frame.index, fill_value=0.0),
    )


@dataclass(frozen=True)
class _How:
    """The settings of one matching."""

    treatment: str
    covariates: list[str]
    on: str
    link: str
    support: str
    options: dict[str, Any]

    def fit(self, rows: pd.DataFrame) -> ScoreResult:
        return propensity_score(rows, self.treatment, self.covariates, self.link)

    def run(
        self, rows: pd.DataFrame, fit: ScoreResult | None = None
    ) -> tuple[ScoreResult, Matches]:
        fit = self.fit(rows) if fit is None else fit
        treated = rows[self.treatment]
        keep = common_support(fit.score[rows.index], treated, self.support)
        values = getattr(fit, self.on)[rows.index]
        way = kernel_match if "kernel" in self.options else match
        return fit, way(values[keep], treated[keep], **self.options)


def _baseline(
    frame: pd.DataFrame, how: _How, baseline: int | None, unit: str, time: str
) -> PanelMatches:
    status = frame[how.treatment]
    first = frame.loc[status == 1, time].min()
    if baseline is None:
        before = frame.loc[frame[time] < first, time]
        if before.empty:
            raise EstimationError(f"no {time} before the first treatment in {first}")
        baseline = before.max()
    if baseline >= first:
        raise EstimationError(f"somebody is treated in {first}: {baseline} is no baseline")
    ever = status.groupby(frame[unit]).max()
    units = frame[frame[time] == baseline].set_index(unit)
    if units.empty or not units.index.is_unique:
        raise EstimationError(f"{time} {baseline}: no rows, or a {unit} twice")
    units = units.assign(**{how.treatment: ever.reindex(units.index)})
    try:
        fit, pairs = how.run(units)
    except EstimationError as error:
        raise EstimationError(f"{time} {baseline}: {error}") from error
    weights = frame[unit].map(pairs.sample_weights).fillna(0.0).rename(None)
    return PanelMatches(
        scheme="baseline", matches={baseline: pairs}, fits={baseline: fit}, weights=weights
    )
