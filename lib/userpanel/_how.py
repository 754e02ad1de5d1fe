"""How each table and figure of a reader's panel is read, and when its errors are too small."""

from __future__ import annotations

from collections.abc import Mapping

from ftz.inference import _few_treated
from userpanel._panel import UserPanel
from userpanel._spec import Choices

#: Up to so many treated or untreated clusters, a report cautions against clustered errors.
FEW_CLUSTERS = 9

#: Table or figure to how it is read, on the pages of a book and in a report.
HOW: Mapping[str, str] = {
    "sample": "Each line is a step from the file to the sample, with the rows and units that are "
    "left after it. A reader who starts from the same file must arrive at the same last line.",
    "cohorts": "Units by the period in which they are first treated. Always treated: units treated "
    "in every row have no before; the two-way regression keeps them, event studies and staggered "
    "estimators do not. Not yet treated: until a unit adopts it serves as a control for those "
    "that have, where control_group says not_yet or nobody is never treated. Units that adopt "
    "after the last period count as never treated.",
    "description": "Columns that the spec names, over the rows of the sample.",
    "two-way": "One regression a column, with unit and period effects; controls enter one at a "
    "time. Under each coefficient is its standard error. The coefficient is the average effect on "
    "the treated if trends would have been parallel and effects are alike across cohorts and time.",
    "standard-errors": "The same coefficient with errors that allow for different things. Where "
    "they disagree, believe those that allow for more, and with few clusters those with few "
    "degrees of freedom.",
    "estimators": "Each line estimates the average effect on the treated; they differ in whom they "
    "compare with and in the weights of cohorts and periods. If the two-way line lies apart from "
    "the others, effects differ across cohorts or grow with time. A line without a number says "
    "why it has none.",
    "event-studies": "Coefficients by periods since adoption, relative to the last period before "
    "it that nobody could anticipate; standard errors in parentheses. Those before "
    "adoption should be near zero. Imputation compares with all periods before and has none there.",
    "att-gt": "The effect on each cohort in each period by Callaway and Sant'Anna, of which the "
    "averages are made: in a column, one cohort through time; in a line, all cohorts at one time. "
    "Cells before adoption are placebos, and the one without an error is the base.",
    "multiverse": "Each specification is one defensible way to estimate; the grid makes choices of "
    "its own.",
    "diagnostics": "Each line asks one question of the two-way coefficient. P values of placebos "
    "count how often chance alone gives as much; they say nothing of shocks that hit the same "
    "units at the same time.",
    "matching": "The mean gap between treated rows and their matched controls. Treated rows "
    "without a match in reach are dropped, and the effect is that of those that stay.",
    "balance": "Standardised differences before and after matching; beyond 0.1 the comparison "
    "still mixes the effect with that covariate.",
    "matched-did": "The two-way regression on matched rows, controls weighted by how often they "
    "serve: what papers call PSM-DID.",
    "parts": "The two-way coefficient for each part of the outcome.",
    "mediation": "The coefficient split into a direct part and one through the mediator. The "
    "product is a channel only if nothing that was not measured moves mediator and outcome.",
    "left-out": "What was asked of this panel and has no answer, with the reason.",
    "adoption": "Who is treated when, in the order of adoption.",
    "paths": "Mean outcome by date of adoption. Before the marks, lines should move in parallel.",
    "event-study": "The two-way event study of the spec's window, ends binned. Thick bars cover "
    "each coefficient, thin ones all of them at once.",
    "event-study-side-by-side": "The same question put to every estimator.",
    "estimators-side-by-side": "The table of estimators as intervals.",
    "bacon": "Two-by-two comparisons inside the coefficient without controls. Weight on "
    "comparisons with units treated already is weight that can mislead.",
    "placebo": "Coefficients when adoption paths are handed to other units by lot, and the "
    "observed one.",
    "honest": "Confidence sets for the period of adoption, when trends may diverge after it by a "
    "multiple of what they did before.",
    "overlap": "Rows by score, treated above and controls below. Without overlap there is nobody "
    "to compare with.",
    "love": "The table of balance as a figure.",
}

#: Tables whose numbers rest on clustered errors.
WITH_ERRORS = (
    "two-way",
    "standard-errors",
    "estimators",
    "event-studies",
    "diagnostics",
    "matching",
    "matched-did",
    "parts",
)


def caution(study: UserPanel) -> tuple[str, ...]:
    """Return what to say beside errors where few clusters are ever, or never, treated."""
    on = study.frame.loc[study.frame[study.treatment] == 1, study.cluster].nunique()
    said = _few_treated.caution(study.frame[study.cluster].nunique(), on, FEW_CLUSTERS)
    return (said.rstrip("."),) if said else ()


#: Choice of a spec to what it enters, and to tables and pages that it does not enter, with what
#: is said there where the spec makes it.
ENTERS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "weights": (
        "regressions, event studies, Callaway-Sant'Anna, Sun-Abraham, imputation, the stacked "
        "regression, parts, mediation; de Chaisemartin-D'Haultfoeuille refuse",
        {
            "standard-errors": "weights do not enter here",
            "diagnostics": "weights do not enter weights of cells, decomposition, placebos, "
            "bootstrap and jackknife",
            "matching": "weights do not enter matching, only the regression on matched rows",
            "multiverse": "weights do not enter the grid",
        },
    ),
    "cluster": (
        "every standard error, the bootstrap, the jackknife",
        {
            "diagnostics": "placebos hand paths to units, whatever the clusters",
            "event-studies": "errors of de Chaisemartin-D'Haultfoeuille's event study are by unit",
        },
    ),
    "anticipation": (
        "every estimate: rows in which the treated may react are left out of what knows before "
        "and after only, and the base of event studies and Callaway-Sant'Anna moves before them; "
        "de Chaisemartin-D'Haultfoeuille refuse",
        {
            "diagnostics": "the decomposition keeps the rows of anticipation",
            "bacon": "the decomposition keeps the rows of anticipation",
            "multiverse": "anticipation does not enter the grid",
        },
    ),
    "control_group": (
        "Callaway-Sant'Anna",
        {
            "estimators": "control_group is Callaway-Sant'Anna's: Sun-Abraham and the stacked "
            "regression compare with who is never treated, the others with all who are not "
            "treated yet",
            "multiverse": "control_group does not enter the grid",
        },
    ),
    "method, estimand": (
        "Callaway-Sant'Anna",
        {
            "estimators": "method and estimand are Callaway-Sant'Anna's: the others average as "
            "they are defined, and covariates enter their regressions"
        },
    ),
    "staggered_covariates": (
        "all estimators but de Chaisemartin-D'Haultfoeuille, who refuse; the two-way line has them "
        "too, and the table of the two-way regression has `covariates` instead",
        {},
    ),
    "event_window": (
        "the event study, what is shown of the others, stacks where all adopt; robust sets with at "
        "most four leads and three lags",
        {},
    ),
    "matching": (
        "matching and the regressions on matched rows; balance is tabled where rows are pooled",
        {"multiverse": "the grid has matchings of its own"},
    ),
    "draws, seed": ("placebos, bootstraps", {}),
    "level": ("every interval, band and robust set", {}),
}


def outside(study: UserPanel, name: str) -> tuple[str, ...]:
    """Return what to say beside a table or page that a choice of the spec does not enter."""
    chosen, plain = study.choices, Choices()
    made = {
        "weights": bool(study.weights),
        "cluster": study.cluster != study.unit,
        "anticipation": bool(chosen.anticipation),
        "control_group": bool(study.control_group),
        "method, estimand": (chosen.method, chosen.estimand) != (plain.method, plain.estimand),
        "matching": (chosen.scheme, chosen.k, chosen.caliper, chosen.kernel, chosen.support)
        != (plain.scheme, plain.k, plain.caliper, plain.kernel, plain.support),
    }
    return tuple(ENTERS[key][1][name] for key, on in made.items() if on and name in ENTERS[key][1])


def said(study: UserPanel, name: str) -> tuple[str, ...]:
    """Return all that stands beside a table beyond how it is read."""
    return (*outside(study, name), *(caution(study) if name in WITH_ERRORS else ()))
