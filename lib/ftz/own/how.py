"""How each table and figure of a reader's panel is read, and when its errors are too small."""

from __future__ import annotations

from collections.abc import Mapping

from ftz.own.study import Study

#: Fewer treated or untreated clusters than this, and clustered errors are cautioned against.
FEW_CLUSTERS = 10

#: Table or figure to how it is read, on the pages of a book and in a report.
HOW: Mapping[str, str] = {
    "sample": "Each line is a step from the file to the sample, with the rows and units that are "
    "left after it. A reader who starts from the same file must arrive at the same last line.",
    "cohorts": "Units by the period in which they are first treated. Units that are treated in "
    "every row have no before and leave event studies and staggered estimators; units that adopt "
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
    "it that nobody could anticipate; standard errors in the columns beside them. Those before "
    "adoption should be near zero. Imputation compares with all periods before and has none there.",
    "att-gt": "The effect on each cohort in each period by Callaway and Sant'Anna, of which the "
    "averages are made. Cells before adoption are placebos.",
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


def caution(study: Study) -> tuple[str, ...]:
    """Return what to say beside errors where few clusters are ever, or never, treated."""
    on = study.frame.loc[study.frame[study.treatment] == 1, study.cluster].nunique()
    rest = study.frame[study.cluster].nunique() - on
    if not any(0 < count < FEW_CLUSTERS for count in (on, rest)):
        return ()
    side = f"{on} of {on + rest} clusters are ever treated"
    if 0 < rest < on:
        side = f"{rest} of {on + rest} clusters are never treated"
    return (f"caution: {side}; clustered errors are too small then, see the placebos",)
