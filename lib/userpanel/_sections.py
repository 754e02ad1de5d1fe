"""Which sections of the chapters a study can fill, and why not the others.

Nothing is decided by rules of thumb: each section's estimate is run, and a section is
left out when its estimator refuses, with the estimator's own words in its place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ftz import did, inference, mediation
from ftz.errors import EstimationError, FtzError
from ftz.inference import ENUMERATE_UP_TO
from ftz.inference._assignments import counted
from userpanel import _estimates as estimates
from userpanel._panel import UserPanel


@dataclass(frozen=True)
class Refusal:
    """What stands on a page where an estimator had no answer."""

    reason: str

    def __repr__(self) -> str:
        return f"No answer: {self.reason}."


#: Rows up to which `ftz check` tries every section.
TRIED_UP_TO = 10_000
#: Draws that show whether an estimator answers; the chapters draw more.
_FEW = 49


def _matching(study: UserPanel) -> None:
    estimates.matching_effects(study, estimates.matches(study, scheme="pooled"))


def _placebo_paths(study: UserPanel) -> None:
    if not any(start is None for start in study.starts.values()) and len(study.cohorts) < 2:
        raise EstimationError("all units adopt at once: there is no other assignment")
    starts: dict[str, Any] = {"adoption": study.starts}
    inference.placebo(study.unweighted, scheme="units", draws=_FEW, seed=0, **starts)


def _weights(study: UserPanel) -> None:
    if study.weights is None:
        raise EstimationError("the spec names no weights")


def _simulated(study: UserPanel) -> None:
    if study.kind != "simulated":
        raise EstimationError("the spec does not call the panel simulated")


def _enumerated(study: UserPanel) -> None:
    count = estimates.assignments(study)
    if count > ENUMERATE_UP_TO:
        raise EstimationError(
            f"there are {counted(count)} assignments, more than the {ENUMERATE_UP_TO:,} that are "
            "enumerated: p values come from random draws of them"
        )


def _controls(study: UserPanel) -> None:
    if not study.varying_controls:
        raise EstimationError("the spec names no covariates that vary within units")


def _clusters(study: UserPanel) -> None:
    if study.cluster == study.unit:
        raise EstimationError("errors are clustered by unit")


#: Name of a section to what must run for it to stand.
SECTIONS: Mapping[str, Callable[[UserPanel], object]] = {
    "simulated": _simulated,
    "controls": _controls,
    "weights": _weights,
    "clusters": _clusters,
    "score": estimates.score,
    "matching": _matching,
    "event-study": estimates.event_study,
    "honest": estimates.honest,
    "weights-of-cells": lambda study: did.twfe_weights(study.unweighted),
    "bacon": estimates.bacon,
    "staggered": estimates.staggered,
    "att-gt": estimates.cells,
    "paths": _placebo_paths,
    "enumerated": _enumerated,
    "bootstrap": lambda study: inference.wild_cluster_bootstrap(
        study.unweighted, draws=_FEW, seed=0
    ),
    "leave-one-out": lambda study: inference.leave_one_cluster_out(study.unweighted),
    "design": lambda study: estimates.design(study, 10, 0),
    "parts": estimates.parts,
    "several": lambda study: estimates.several(study, _FEW, 0),
    "mediator": lambda study: mediation.mediate(study.settled, *study.channel),
    "indirect": lambda study: mediation.bootstrap_indirect(
        study.unweighted, *study.channel, draws=_FEW, seed=0
    ),
}


#: Sections that say how, not whether; nothing is lost where they are missing.
VARIANTS = ("simulated", "clusters", "enumerated", "weights")


def missing(study: UserPanel) -> dict[str, str]:
    """Return the sections that a study cannot fill, each with the reason.

    Raises
    ------
    EstimationError
        If not even the coefficient itself can be estimated.
    """
    did.twfe(study.panel)
    reasons = {}
    for name, run in SECTIONS.items():
        try:
            run(study)
        except FtzError as error:
            reasons[name] = " ".join(str(error).split())
    return reasons
