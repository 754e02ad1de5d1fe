"""What a thesis hands in: tables, figures and one summary page of a reader's panel.

``ftz report PANEL SPEC --out FOLDER`` runs its steps without building a book.
What an estimator refuses, or what takes too long at a size, is a row of the report with its
reason.  The same panel, spec and seed give the same CSV files, byte for byte.
"""

from __future__ import annotations

import datetime
import json
import os
import re
import shutil
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from importlib import metadata
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd

from ftz import did, inference, matching, mediation
from ftz._results import CoefficientResult, stars
from ftz.did._events import EventStudyResult
from ftz.did._staggered import Comparison
from ftz.errors import FtzError
from ftz.figures import did as did_figures
from ftz.figures import inference as inference_figures
from ftz.figures import matching as matching_figures
from ftz.figures import style
from ftz.matching._panels import PanelMatches
from userpanel import _estimates as estimates
from userpanel import figures as own_figures
from userpanel._checking import check
from userpanel._how import HOW, said
from userpanel._panel import UserPanel
from userpanel._spec import PanelProblem, ProblemsError
from userpanel._writing import (
    Exhibit,
    cell,
    write_exhibit,
    write_html,
    write_latex,
    write_pdf,
    write_word,
)

_PACKAGES = ("ftz-monograph", "numpy", "pandas", "scipy", "diff-diff", "linearmodels")


@dataclass
class _Run:
    """A study with what several steps need, computed once; what failed, with its reason."""

    study: UserPanel
    refused: dict[str, str] = field(default_factory=dict)

    @cached_property
    def side(self) -> Comparison:
        return estimates.staggered(self.study)

    @cached_property
    def event(self) -> EventStudyResult:
        return estimates.event_study(self.study)

    @cached_property
    def found(self) -> dict[str, PanelMatches]:
        return estimates.matches(self.study)

    def ask(self, what: str, answer: Callable[[], Any]) -> Any:
        """Return an answer, or None; what is refused is kept with its reason."""
        try:
            return answer()
        except FtzError as error:
            self.refused[what] = " ".join(str(error).split())
        except (ArithmeticError, MemoryError, ValueError, np.linalg.LinAlgError) as error:
            self.refused[what] = f"failed in an unforeseen way ({type(error).__name__}: {error})"
        return None

    def exhibit(self, name: str, title: str, **parts: Any) -> Exhibit:
        notes = (*parts.pop("notes", ()), *said(self.study, name))
        return Exhibit(name, title, HOW[name], notes=notes, **parts)


# --- the steps --------------------------------------------------------------------------------


def _sample(run: _Run) -> Iterator[Exhibit]:
    study, panel = run.study, run.study.panel
    lines = list(study.flow) or [("rows of the panel", len(study.frame), len(study.units))]
    for smaller in (panel.without_singletons(), panel.without_always()):
        for why in smaller.dropped:
            lines.append(
                (f"of these, in what follows: {why}", len(smaller.frame), smaller.units[1].size)
            )
    table = pd.DataFrame(lines, columns=["step", "rows", "units"])
    table.insert(1, "rows left out", -table["rows"].diff().fillna(0).astype(int))
    yield run.exhibit("sample", "From the file to the sample", table=table)
    starts = pd.Series(study.starts, dtype=float)
    first = study.periods[0]
    kinds = [
        "never"
        if np.isnan(s)
        else f"from the start ({study.period(first)})"
        if s <= first
        else study.period(s)
        for s in starts
    ]
    on = study.frame.groupby(study.unit)[study.treatment].sum().reindex(starts.index)
    order = pd.Series(starts.to_numpy(), kinds).groupby(level=0).first().fillna(np.inf)
    by_kind = (
        pd.DataFrame({"units": 1, "treated rows": on.to_numpy()}, kinds).groupby(level=0).sum()
    )
    by_kind = by_kind.loc[order.sort_values(kind="stable").index]
    table = by_kind.rename_axis("first treated").reset_index()
    table["share of units"] = table["units"] / len(starts)
    yield run.exhibit("cohorts", "Units by the period of adoption", table=table)
    figure = own_figures.adoption(study.starts, study.periods)
    yield run.exhibit("adoption", "Adoption", figure=study.dated(figure))
    numbers = study.frame.select_dtypes("number").drop(columns=[study.time, study.cohort])
    summary = numbers.agg(["count", "mean", "std", "min", "max"]).T.rename(index=study.label)
    summary["count"] = summary["count"].astype(int)
    table = summary.rename_axis("column").reset_index()
    yield run.exhibit("description", "The columns of the sample", table=table)
    figure = own_figures.outcome_paths(
        study.frame, study.outcome, study.cohort, study.time, study.label(study.outcome)
    )
    yield run.exhibit("paths", "Mean outcome by date of adoption", figure=study.dated(figure))


def _two_way(run: _Run) -> Iterator[Exhibit]:
    study = run.study
    columns = estimates.columns(study)
    level = study.choices.level
    parts = [_lines(one, level).assign(column=f"({j})") for j, one in enumerate(columns, 1)]
    table = pd.concat(parts)[["column", "term", *parts[0].columns[1:-1]]]
    shown: dict[str, list[str]] = {"": []}
    for name in columns[-1].params.index:
        shown[""] += [study.label(str(name)), ""]
    shown[""] += ["unit and period effects", "rows", "units", "clusters", "within R2"]
    for j, one in enumerate(columns, 1):
        texts = []
        for name in columns[-1].params.index:
            there = name in one.params
            mark = stars(one.pvalues[name]) if there else ""
            texts += [cell(one.params[name]) + mark if there else ""]
            texts += [f"({cell(one.std_errors[name])})" if there else ""]
        texts += ["yes", f"{one.nobs}", f"{one.n_units}", f"{one.n_clusters}"]
        shown[f"({j})"] = [*texts, cell(one.rsquared_within)]
    weighted = (f"rows are weighted by {study.weights}",) if study.weights else ()
    yield run.exhibit(
        "two-way",
        f"Two-way fixed effects: {study.label(study.outcome)}",
        table=table,
        shown=pd.DataFrame(shown),
        notes=(
            f"errors clustered by {study.cluster}; *** 1%, ** 5%, * 10%",
            *weighted,
            *columns[-1].notes,
            *study.silent_pooling,
        ),
    )
    family = run.ask("standard-errors", lambda: did.standard_errors(study.unweighted, level=level))
    if family:
        table = family.table.drop(columns="allows").reset_index()
        allows = family.table["allows"].to_numpy()
        yield run.exhibit(
            "standard-errors",
            "One coefficient, a family of standard errors",
            table=table.assign(**{"allows for": allows}),
        )


def _lines(result: CoefficientResult, level: float) -> pd.DataFrame:
    """Return a result as lines of a CSV file."""
    table = result.summary[["estimate", "std_error", "statistic", "p_value"]]
    bounds = result.conf_int(level).add_suffix(f" {level:.0%}")
    return table.join(bounds).rename_axis("term").reset_index().assign(nobs=result.nobs)


def _estimators(run: _Run) -> Iterator[Exhibit]:
    study, level = run.study, run.study.choices.level
    side = run.ask("estimators", lambda: run.side)
    if side is None:
        return
    lines = [
        _lines(one, level).drop(columns="term").assign(estimator=one.estimator, reason="")
        for one in side.results.values()
    ]
    lines += [
        pd.DataFrame({"estimator": [name.replace("_", " ")], "reason": [why]})
        for name, why in side.refusals.items()
    ]
    table = pd.concat(lines)
    table = table[
        ["estimator", *(c for c in table.columns if c not in ("estimator", "reason")), "reason"]
    ]
    table = table.astype({"nobs": "Int64"})
    covariates = ", ".join(map(study.label, study.staggered_covariates)) or "none"
    yield run.exhibit(
        "estimators",
        "The effect on the treated by every estimator",
        table=table if side.refusals else table.drop(columns="reason"),
        notes=(f"covariates: {covariates}", *side.notes),
    )
    bounds = side.conf_int(level).assign(estimate=side.params)
    known = bounds.dropna()
    if len(known):
        figure = did_figures.interval_plot(known, f"Effect on the treated, {level:.0%} intervals")
        yield run.exhibit("estimators-side-by-side", "Every estimator", figure=figure)
    yield from _events(run, side)
    if "callaway_santanna" in side.results:
        cells = estimates.by_cell(study, side.results["callaway_santanna"])
        title = "ATT(g, t), Callaway-Sant'Anna"
        figure = did_figures.cells_plot(cells)
        yield run.exhibit("att-gt", title, table=cells, shown=_laid_out(cells), figure=figure)


def _with_errors(estimates: pd.Series, errors: pd.Series) -> list[str]:
    """Return estimates with their errors in parentheses; what has none is the base at zero."""
    return [
        f"{cell(e)} ({cell(s)})" if np.isfinite(s) else "base" if e == 0 else cell(e)
        for e, s in zip(estimates, errors, strict=True)
    ]


def _laid_out(cells: pd.DataFrame) -> pd.DataFrame | None:
    """Return effects by period and cohort as a reader looks at them; None where it is too wide."""
    if cells["cohort"].nunique() > 6:
        return None
    words = _with_errors(cells["estimate"], cells["std_error"])
    wide = cells.assign(words=words).pivot(index="period", columns="cohort", values="words")
    wide.columns = pd.Index([f"treated from {c}" for c in wide.columns])
    return wide.astype(str).replace("nan", "").reset_index()


def _events(run: _Run, side: Comparison) -> Iterator[Exhibit]:
    """Lay event studies side by side, inside the spec's window."""
    low, high = run.study.choices.event_window
    studies = {r.estimator: r.event_study for r in side.results.values() if r.event_study}
    if not studies:
        return
    times = sorted({k for s in studies.values() for k in s.event_times})
    table = pd.DataFrame({"periods since adoption": times})
    for name, one in studies.items():
        table[name] = one.params.reindex(times).to_numpy()
        table[f"{name}, error"] = one.std_errors.reindex(times).to_numpy()
    shown = table[["periods since adoption"]].assign(
        **{n: _with_errors(table[n], table[f"{n}, error"]) for n in studies}
    )[table["periods since adoption"].between(low, high)]
    notes = [
        f"{name}: coefficients before adoption are jointly zero with p = {one.pretrend_pvalue:.3f}"
        for name, one in studies.items()
        if np.isfinite(one.pretrend_pvalue)
    ]
    yield run.exhibit(
        "event-studies",
        "Event studies of every estimator",
        table=table,
        shown=shown,
        notes=tuple(notes),
    )
    figure = did_figures.event_studies_plot(studies, run.study.choices.level)
    figure.axes[0].set(xlabel="Periods since adoption", xlim=(low - 0.6, high + 0.6))
    yield run.exhibit("event-study-side-by-side", "Event studies of every estimator", figure=figure)


def _diagnostics(run: _Run) -> Iterator[Exhibit]:
    study, chosen = run.study, run.study.choices
    rows: list[tuple[str, str, object]] = []
    event = run.ask("event-study", lambda: run.event)
    if event is not None:
        rows.append(("pre-trends", "joint p value before adoption", event.pretrend_pvalue))
        slope = run.ask("detectable trend", lambda: event.detectable_slope(0.8, chosen.level))
        if slope is not None:
            rows.append(("pre-trends", "trend found with 80% power", slope))
        band = run.ask("simultaneous band", lambda: event.simultaneous_band(chosen.level))
        figure = did_figures.event_study_plot(event, chosen.level, band)
        figure.axes[0].set_xlabel("Periods since adoption")
        yield run.exhibit("event-study", "Event study, two-way fixed effects", figure=figure)
    yield from _weights(run, rows)
    yield from _chance(run, rows)
    honest = run.ask("honest", lambda: estimates.honest(study))
    if honest is not None:
        rows.append(("trends", "multiple at which the conclusion falls", honest.breakdown))
        figure = did_figures.honest_plot(honest, "Largest step after, as a multiple of before")
        yield run.exhibit("honest", "Robust to diverging trends", figure=figure)
    table = pd.DataFrame(rows, columns=["question", "statistic", "value"])
    yield run.exhibit(
        "diagnostics",
        "Diagnostics of the two-way coefficient",
        table=table,
        notes=(*study.unweighted.dropped, *study.silent_pooling),
    )


def _weights(run: _Run, rows: list[tuple[str, str, object]]) -> Iterator[Exhibit]:
    cells = run.ask("weights of cells", lambda: did.twfe_weights(run.study.unweighted).summary)
    if cells is not None:
        rows += [("weights of cells", str(k), v) for k, v in cells.iloc[:, 0].items()]
    bacon = run.ask("decomposition", lambda: estimates.bacon(run.study))
    if bacon is not None:
        name = "weight of comparisons with the already treated"
        rows.append(("decomposition", name, bacon.forbidden_weight))
        yield run.exhibit("bacon", "Two-by-two comparisons", figure=did_figures.bacon_plot(bacon))


def _chance(run: _Run, rows: list[tuple[str, str, object]]) -> Iterator[Exhibit]:
    study, draws, seed = run.study, run.study.choices.draws, run.study.choices.seed
    if not run.ask("placebos and bootstrap", partial(estimates.within_size, study, "trials")):
        return
    for scheme in ("units", "observations"):
        starts = study.starts if scheme == "units" else None
        how: dict[str, Any] = {"adoption": starts, "draws": draws, "seed": seed}
        ask = partial(inference.placebo, study.unweighted, scheme=scheme, **how)
        trial = run.ask(f"placebo over {scheme}", ask)
        if trial is not None:
            rows.append(
                (f"placebo over {scheme}", f"p value, {len(trial.estimates)} draws", trial.p_value)
            )
            if scheme == "units":
                figure = inference_figures.placebo_plot(trial)
                yield run.exhibit("placebo", "Reassigned adoption paths", figure=figure)
    wild = run.ask(
        "wild cluster bootstrap",
        lambda: inference.wild_cluster_bootstrap(study.unweighted, draws=draws, seed=seed),
    )
    if wild is not None:
        rows.append(("wild cluster bootstrap", "p value, null imposed", wild.p_value))
    alone = run.ask("jackknife", lambda: inference.leave_one_cluster_out(study.unweighted))
    if alone is not None:
        rows.append(("jackknife", "standard error", alone.std_error))
        rows.append(("jackknife", "most influential", str(alone.summary.index[0])))


def _matching(run: _Run) -> Iterator[Exhibit]:
    study = run.study
    found = run.ask("matching", lambda: run.found)
    if found is None:
        return
    effects = run.ask("effect by matching", lambda: estimates.matching_effects(study, found))
    scheme, covariates = study.choices.scheme, list(study.match_on)
    if effects is not None:
        yield run.exhibit(
            "matching",
            f"Effect on the treated by matching, {scheme.replace('_', ' ')}",
            table=effects.astype({"treated": int}).rename_axis("matching").reset_index(),
        )
    name, nearest = next(iter(found.items()))
    regressions = {
        n: run.ask(f"DID on {n}", partial(estimates.on_matches, study, m)) for n, m in found.items()
    }
    lines = [
        _lines(one, study.choices.level).iloc[[0]].assign(term=n)
        for n, one in regressions.items()
        if one is not None
    ]
    if lines:
        table = pd.concat(lines).rename(columns={"term": "matching"})
        yield run.exhibit("matched-did", "Difference-in-differences on matched rows", table=table)
    if scheme != "pooled":
        run.refused["balance"] = f"tabled for pooled matching; the spec matches {scheme}"
        return
    pairs, fit = nearest.matches["all"], nearest.fits["all"]
    frame = study.settled.frame
    treated = frame[study.treatment]
    balance = matching.balance(frame, covariates, treated, pairs)
    flat = balance.set_axis([" ".join(map(str, c)) for c in balance.columns], axis=1)
    flat = flat.rename(index=study.label).rename_axis("covariate").reset_index()
    yield run.exhibit("balance", f"Balance, {name}", table=flat)
    yield run.exhibit("love", f"Balance, {name}", figure=matching_figures.love_plot(balance))
    on = matching.common_support(fit.score, treated, study.choices.support)
    figure = matching_figures.overlap(fit.score, treated, on)
    yield run.exhibit("overlap", "Overlap of scores", figure=figure)


def _channels(run: _Run) -> Iterator[Exhibit]:
    study, level = run.study, run.study.choices.level
    if study.sub_outcomes:
        results = run.ask("parts", lambda: estimates.parts(study)) or {}
        lines = [_lines(r, level).iloc[[0]].assign(term=study.label(n)) for n, r in results.items()]
        if lines:
            table = pd.concat(lines).rename(columns={"term": "part"})
            yield run.exhibit("parts", "Parts of the outcome", table=table)
    if study.mediator:
        split = run.ask("mediation", lambda: mediation.mediate(study.settled, *study.channel))
        if split is not None:
            table = split.summary.rename_axis("part").reset_index()
            yield run.exhibit("mediation", f"Through {study.label(study.mediator)}", table=table)


#: What a report does, in order.
STEPS: Mapping[str, Callable[[_Run], Iterator[Exhibit]]] = {
    "sample": _sample,
    "two-way fixed effects": _two_way,
    "estimators": _estimators,
    "diagnostics": _diagnostics,
    "matching": _matching,
    "channels": _channels,
}


# --- the report -------------------------------------------------------------------------------


def report(panel: str | Path, spec: str | Path, out: str | Path, *, progress: bool = False) -> Path:
    """Write tables, figures and a summary of a panel into a folder; return the summary.

    Parameters
    ----------
    panel, spec : path
        As :func:`userpanel.check` takes them.
    out : path
        Folder of the report; one that holds an earlier report is replaced once the new one
        is complete, and nothing else is ever overwritten.
    progress : bool
        Show a bar.

    Raises
    ------
    ProblemsError
        If panel or spec cannot be used, or the folder holds something else.
    """
    from tqdm import tqdm

    out = Path(out)
    unfinished, old = (out.with_name(out.name + end) for end in (".part", ".old"))
    if (
        out.exists()
        and not (out / "session.json").exists()
        and (out.is_file() or any(out.iterdir()))
    ):
        problem = PanelProblem("is there already and holds no report", str(out))
        raise ProblemsError([problem])
    problems, study = check(panel, spec)
    if study is None:
        raise ProblemsError([problem for problem in problems if problem.fatal])
    shutil.rmtree(unfinished, ignore_errors=True)
    for folder in ("tables", "figures"):
        (unfinished / folder).mkdir(parents=True)
    shutil.copyfile(spec, unfinished / "spec.yml")
    run, exhibits = _Run(study), list[Exhibit]()
    style.use()
    # Chinese glyphs only where a text has some: their font is slow to put into a PDF
    fonts = ["DejaVu Sans", *(f for f in mpl.rcParams["font.family"] if f != "DejaVu Sans")]
    with (
        mpl.rc_context({"text.parse_math": False, "font.family": fonts}),
        tqdm(total=len(STEPS) + 2, disable=not progress, desc="report", leave=False) as bar,
    ):
        for name, step in STEPS.items():
            bar.set_postfix_str(name)
            done = run.ask(name, partial(_step, step, run, unfinished))
            exhibits += done or []
            bar.update()
        exhibits += _step(_left_out, run, unfinished)
        bar.set_postfix_str("pages")
        _write(study, exhibits, [str(p) for p in problems if not p.fatal], unfinished)
        bar.update()
        _zip(unfinished, unfinished / f"{out.name}.zip")
        bar.update()
    shutil.rmtree(old, ignore_errors=True)
    if out.exists():
        os.replace(out, old)
    os.replace(unfinished, out)
    shutil.rmtree(old, ignore_errors=True)
    return out / "summary.html"


def _step(step: Callable[[_Run], Iterator[Exhibit]], run: _Run, folder: Path) -> list[Exhibit]:
    exhibits = list(step(run))
    for exhibit in exhibits:
        write_exhibit(exhibit, folder)
    return exhibits


def _left_out(run: _Run) -> Iterator[Exhibit]:
    if run.refused:
        table = pd.DataFrame(run.refused.items(), columns=["what", "why"])
        yield run.exhibit("left-out", "What has no answer on this panel", table=table)


def _write(study: UserPanel, exhibits: list[Exhibit], remarks: list[str], folder: Path) -> None:
    session = _session(study)
    (folder / "session.json").write_text(json.dumps(session, indent=1, ensure_ascii=False), "utf-8")
    keys = _references(folder)
    simulated = ("The spec calls this panel simulated: no place is behind it.",)
    head = [
        *(simulated if study.kind == "simulated" else ()),
        f"Source: {study.source or 'not named in the spec'}.",
        f"{study}.",
        f"Chosen: {session['chosen']}.",
        *(f"Remark: {remark}." for remark in remarks),
        f"Written {session['date']}; seed {session['seed']}; fingerprint of panel and roles "
        f"{study.digest}; {session['versions']}.",
        f"How to cite: {session['cite']}{keys}",
    ]
    write_word(exhibits, study.title, folder / "tables.docx")
    write_latex(exhibits, study.title, folder / "tables.tex")
    write_html(exhibits, head, study.title, folder / "summary.html")
    write_pdf(exhibits, head, study.title, folder / "summary.pdf")


def _session(study: UserPanel) -> dict[str, Any]:
    """Return what a reader needs to run the report again."""
    versions = {name: metadata.version(name) for name in _PACKAGES}
    today = datetime.date.today().isoformat()
    chosen = dict(vars(study.choices))
    chosen["control_group"] = study.control_group or "never treated where there are any"
    chosen["cluster"], chosen["weights"] = study.cluster, study.weights or "none"
    version = versions["ftz-monograph"]
    return {
        "title": study.title,
        "date": today,
        "seed": study.choices.seed,
        "fingerprint": study.digest,
        "chosen": "; ".join(f"{k} {v}" for k, v in chosen.items() if v is not None),
        "versions": ", ".join(f"{name} {number}" for name, number in versions.items()),
        "cite": f'"{study.title}", computed with ftz-monograph {version} (see its CITATION.cff) '
        f"from the panel with fingerprint {study.digest}, seed {study.choices.seed}, {today}. "
        "Cite the estimators' papers too",
    }


#: Papers behind the numbers of a report, by their keys in the book's references.
PAPERS = (
    "callaway_santanna_2021",
    "sun_abraham_2021",
    "borusyak_jaravel_spiess_2024",
    "cengiz_dube_lindner_zipperer_2019",
    "dechaisemartin_dhaultfoeuille_2020",
    "goodman_bacon_2021",
    "rambachan_roth_2023",
    "roth_2022",
    "cameron_gelbach_miller_2008",
    "rosenbaum_rubin_1983",
)


def _references(folder: Path) -> str:
    """Write the papers' entries where the book is at hand; return what to say of them."""
    from userpanel.book import _project

    try:
        text = (_project() / "book" / "references.bib").read_text("utf-8")
    except (FtzError, OSError):
        return "."
    entries = re.split(r"\n(?=@)", text)
    kept = [e.strip() for e in entries if re.match(rf"@\w+{{({'|'.join(PAPERS)}),", e)]
    (folder / "references.bib").write_text("\n\n".join(kept) + "\n", "utf-8")
    return " (references.bib)."


def _zip(folder: Path, target: Path) -> None:
    """Put everything into one file, with one date, so that equal reports are equal files."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(p for p in folder.rglob("*") if p.is_file() and p != target):
            entry = zipfile.ZipInfo(str(path.relative_to(folder)), (2000, 1, 1, 0, 0, 0))
            archive.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED)
