r"""What the print leaves of the within-city effect, under the pooled reading of Table 4.

*pooled*: columns (2) to (5) are least squares with year dummies and classical errors, column (1)
random effects with a ratio of variances of its own.  *one command*: the same, and
:func:`ftz.random_effects.random_effects` itself returns it, theta above zero in (1) and zero
from (2) on.  Every panel has a choice of 85 rows of its own and is grown from scratch.  (Under
the reading with city effects the effect is column (5) itself.)

The within-city effect :math:`\beta` is the zone's coefficient with city effects, year effects
and the five controls.  :func:`outer` bounds it without a search:
with *u* the zone net of cities, years and controls, *p* the zone net of years and controls, and
*e* the residual of column (5), :math:`u'e = (u - \tfrac{u'u}{p'p} p)'e` and so

.. math:: (\beta - b)^2 \le e'e \left(\frac{1}{u'u} - \frac{1}{p'p}\right)
          = d\, se^2 \left(\frac{p'p}{u'u} - 1\right).
"""

from __future__ import annotations

import gzip
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ftz.random_effects import random_effects as emulated
from printproof.errors import SearchError
from printproof.witness import (
    Coefficient,
    Design,
    Estimand,
    Limit,
    Model,
    Problem,
    RSquared,
    Target,
    Values,
    spread,
)
from printproof.witness import nested as nested_aims
from study import published
from study.paths import data_dir
from study.replication import CONTROLS, OUTCOME, PAPER, TREATMENT, adoption, cell
from study.witness import _ensemble as ensemble
from study.witness import _problem
from study.witness._conventions import random_effects
from study.witness._sample import YEARS, Sample, admitted, heaviest

READINGS = ("pooled", "one command")
#: Smallest shares of the zone's variation within cities and years that the controls may leave.
TOLERANCES = (0.75, 0.5, 0.25, 0.1)
#: What is pushed towards each end.
ENDS = {"low": "effect", "high": "effect", "smallest z": "z"}
#: Decimals of the stored panels, and where they are.
DECIMALS = 7
FILES = ("within-city.csv", "within-city-panels.csv.gz")
__lineage__ = {"stored": {"panel": "witness", "files": [f"data/witness/{name}" for name in FILES]}}
_RATIOS = (0.1, 30.0)
_ATTEMPTS, _NEWTON = 60, 90
#: How far off the edges of the official ranges, in their widths, a push sets out.
_EDGE = 0.03
_MATCHED = 85
#: Residual degrees of freedom of column (5): constant, zone, controls, nine year dummies.
_DF = _MATCHED - 2 - len(CONTROLS) - (len(YEARS) - 1)
_CELLS = (OUTCOME, *CONTROLS)


@dataclass(frozen=True)
class Grown:
    """A panel that meets Tables 2 and 4 under a reading.

    Attributes
    ----------
    reading : str
    plan : Layout
    values : dict of ndarray
    ratio : float
        Variance of the city effect over that of the noise in column (1).
    """

    reading: str
    plan: Sample
    values: Values
    ratio: float

    @property
    def frame(self) -> pd.DataFrame:
        """The 85 rows as they are stored."""
        rows = self.plan.on[["city", "year", TREATMENT]]
        return rows.assign(**{n: np.round(self.values[n], DECIMALS) for n in _CELLS})


# --- rows and problem -----------------------------------------------------------------------------


def admissible(rows: pd.DataFrame) -> pd.Series:
    """Say which city-years the printed ranges admit."""
    inside = pd.MultiIndex.from_frame(rows[["city", "year"]]).isin(admitted())
    return pd.Series(inside, rows.index)


def draw_rows(rng: np.random.Generator, *, trapped: bool = False) -> Sample:
    """Draw 85 city-years, eleven of them treated, from the 104 that the sample section admits.

    With ``trapped`` four cities have all ten years and the others' gaps are such that the
    means of the year dummies leave, as a rule, one degree of freedom between cities in column
    (1) and none from column (2) on.
    """
    base = Sample.printed()
    for _ in range(1000):
        rows = base.rows.drop(columns="matched")
        rows = rows[admissible(rows)]
        by_city = pd.Series(rng.random(rows.city.nunique()), sorted(set(rows.city)))
        weight = rng.random(len(rows)) + rows.city.map(by_city).to_numpy()
        whole = list(by_city.drop("Tangshan").nlargest(4).index) if trapped else list[str]()
        weight += 9 * rows.city.isin(whole).to_numpy()
        plan = heaviest(base, rows, weight)
        shares = pd.crosstab(plan.on.city, plan.on.year, normalize="index").to_numpy()
        if not trapped or np.linalg.matrix_rank(shares) == len(shares) - 3:
            return plan
    raise SearchError("no choice of rows leaves one degree of freedom between cities")


def poorer_rows(rng: np.random.Generator) -> Sample:
    """Draw 85 admissible rows, few of Tangshan and Xingtai, many of the poorer cities.

    Tangshan 2016 and Xingtai 2013 are always among them: official income lets no other row hold
    the printed maximum and minimum.
    """
    base = Sample.printed()
    rows = base.rows.drop(columns="matched")
    rows = rows[admissible(rows)]
    weight = rng.random(len(rows))
    by_city = {city: rng.random() for city in sorted(set(rows["city"]))}
    weight += rows["city"].map(by_city).to_numpy(float)
    quota = {"Tangshan": int(rng.integers(0, 3)) + 1, "Xingtai": int(rng.integers(3, 10))}
    city, year = rows["city"].to_numpy(), rows["year"].to_numpy()
    weight += np.isin(city, ["Chengde", "Hengshui", "Zhangjiakou"]) * rng.uniform(0.3, 1.0)
    weight += 9.0 * (
        ((city == "Tangshan") & (year == 2016)) | ((city == "Xingtai") & (year == 2013))
    )
    for name, wanted in quota.items():
        own = np.flatnonzero(city == name)
        first = own[np.argsort(-weight[own])[:wanted]]
        weight[own] -= 20
        weight[first] += 40
    return heaviest(base, rows, weight)


def _effects(plan: Sample) -> tuple[NDArray[Any], NDArray[Any]]:
    return plan.on["city"].to_numpy(), plan.on["year"].to_numpy()


def _pooled(plan: Sample) -> Design:
    return replace(random_effects(*_effects(plan), 0.0), transform=None)


def declare(plan: Sample, ratio: float, *, official: bool = False) -> Problem:
    """Return Tables 2 and 4 on these rows as a problem, given the ratio of column (1)."""
    found = _problem.problem(plan, errors="classical", design=_pooled(plan), official=official)
    first = replace(found.models[0], design=random_effects(*_effects(plan), ratio))
    return replace(found, models=(first, *found.models[1:]))


def estimands(plan: Sample) -> dict[str, Estimand]:
    """Return ``effect``, its clustered ``z``, and ``explained``.

    The last is the share of the zone's variation within cities and years that the controls
    explain; one less it is the tolerance.
    """
    within = Design.two_way(*_effects(plan))
    model = Model("within", OUTCOME, ("one", TREATMENT, *CONTROLS), within)
    return {
        "effect": Coefficient("effect", model, TREATMENT),
        "z": Coefficient("z", model, TREATMENT, "statistic"),
        "explained": RSquared("explained", Model("zone", TREATMENT, CONTROLS, within)),
    }


# --- panels ---------------------------------------------------------------------------------------


def _aim(problem: Problem, rng: np.random.Generator) -> dict[str, float]:
    later = problem.models[1:]
    names = {m.name for m in later}
    columns = [t for t in problem.targets if t.of in names]
    rest = [t for t in problem.targets if t.of not in names]
    return {t.name: float(rng.uniform(-0.5, 0.5)) for t in rest} | nested_aims(columns, later, rng)


def grow(reading: str, seed: int, number: int, *, official: bool = False) -> Grown:
    """Grow one panel from scratch: rows, ends, ratio, aim and start are all drawn.

    Some treated city is seen in the year before its zone, so that an event study has its
    reference.  Inside the official ranges rows are drawn towards the poorer cities
    (:func:`poorer_rows`), without which hardly a panel is found.

    Raises
    ------
    SearchError
        If none of the attempts meets every printed number.
    """
    for attempt in range(_ATTEMPTS):
        rng = np.random.default_rng([seed, READINGS.index(reading), number, attempt, official])
        trapped = reading == "one command"
        plan = poorer_rows(rng) if official else draw_rows(rng, trapped=trapped)
        grown = attempted(reading, plan, rng, official=official)
        if grown is not None and _has_reference(plan):
            return grown
    raise SearchError(f"no {reading} panel {number} of seed {seed}")


def _has_reference(plan: Sample) -> bool:
    """Say whether some treated city is seen in the year before its zone."""
    cohort = plan.on["city"].map(adoption(plan.on)).astype(float)
    return bool((plan.on["year"] == cohort - 1).any())


def attempted(
    reading: str, plan: Sample, rng: np.random.Generator, *, official: bool = False
) -> Grown | None:
    """Try once to grow a panel on given rows: ends, ratio, aim and start are drawn."""
    ratio = float(np.exp(rng.uniform(*np.log(_RATIOS))))
    try:
        problem = declare(plan, ratio, official=official)
        aim = _aim(problem, rng)
        problem = problem.with_ends(rng)
    except SearchError:
        return None
    guided = rng.random() < 0.5
    start = _problem.start(problem, plan, rng) if guided else problem.start(rng)
    values = problem.find(rng, start=start, aim=aim, max_iterations=_NEWTON).values
    grown = Grown(reading, plan, values, ratio)
    if reading == "one command":
        grown = _settled(grown, problem, aim, rng)
    return grown if meets(grown, official=official) else None


def _estimated(frame: pd.DataFrame) -> float:
    """Return the ratio of variances that the command estimates in column (1)."""
    first = emulated(frame, OUTCOME, TREATMENT, CONTROLS[:1])
    return (first.sigma_u / first.sigma_e) ** 2


def _settled(
    grown: Grown, problem: Problem, aim: dict[str, float], rng: np.random.Generator
) -> Grown:
    """Move a panel until the ratio it is built for is the one that it returns."""
    for _ in range(25):
        ratio = _estimated(grown.frame)
        if abs(ratio - grown.ratio) < 1e-6 * grown.ratio or ratio == 0:
            break
        design = random_effects(*_effects(grown.plan), ratio)
        problem = replace(
            problem, models=(replace(problem.models[0], design=design), *problem.models[1:])
        )
        found = problem.find(rng, start=grown.values, aim=aim, max_iterations=25)
        grown = replace(grown, values=found.values, ratio=ratio)
    return grown


def meets(grown: Grown, *, official: bool = False) -> bool:
    """Say whether the panel, as stored, returns every printed number under its reading."""
    frame, ratio = grown.frame, grown.ratio
    if not np.isfinite(frame[list(_CELLS)].to_numpy()).all():
        return False
    if grown.reading == "one command":
        ratio = _estimated(frame)
        later = [emulated(frame, OUTCOME, TREATMENT, CONTROLS[:k]) for k in range(2, 6)]
        if ratio == 0 or not all(r.pooled for r in later):
            return False
    problem = declare(grown.plan, ratio, official=official)
    values = _problem.values(frame.assign(matched=1), grown.plan)
    inside = all(
        (v.lower - 1e-9 <= values[v.name]).all() and (values[v.name] <= v.upper + 1e-9).all()
        for v in problem.variables
    )
    ends = all(
        low[0] <= values[name].min() <= low[1] and high[0] <= values[name].max() <= high[1]
        for name, (low, high) in problem.ends.items()
    )
    return inside and ends and max(map(abs, problem.deviations(values).values())) < 1


def push(grown: Grown, end: str, tolerance: float, *, official: bool = False) -> Grown | None:
    """Move a panel towards an end, the controls leaving no less than ``tolerance``.

    The effect (or its z) and the share that the controls explain join the printed numbers that
    Newton steps aim at; the aim moves from the panel's own effect towards :func:`outer`, or its
    own z towards zero, in steps that halve where no panel is found.
    """
    asked, name = estimands(grown.plan), ENDS[end]
    problem = declare(grown.plan, grown.ratio, official=official)
    own = problem.deviations(grown.values)
    pulled = {t.name for t in problem.targets if not _follows(t)}
    aim = {k: v for k, v in own.items() if k in pulled} | {name: 0.0, "explained": 0.0}
    explained = Limit(asked["explained"], 1 - tolerance - 0.005, 1 - tolerance - 0.001)

    def reach(start: Grown, goal: float) -> Grown | None:
        half = 1e-3 * max(1.0, abs(goal))
        limit = Limit(asked[name], goal - half, goal + half)
        limited = replace(problem, limits=(limit, explained))
        rng = np.random.default_rng(0)
        # narrow official ranges hold cells at their edges, which Newton steps cannot leave
        values = problem.near(start.values, rng, 0.0, edge=_EDGE) if official else start.values
        found = limited.find(rng, start=values, aim=aim, max_iterations=_NEWTON)
        moved = replace(start, values=found.values)
        left = 1 - asked["explained"].evaluate(moved.values)[0]
        return moved if left >= tolerance and meets(moved, official=official) else None

    first = asked[name].evaluate(grown.values)[0]
    best, share, step = reach(grown, first), 0.0, 0.5
    bounds = outer(grown.plan, tolerance)
    goal = {"low": bounds[0], "high": bounds[1], "smallest z": 0.0}[end]
    while best is not None and step > 0.01 and share < 1:
        moved = reach(best, first + (share + step) * (goal - first))
        if moved is None:
            step /= 2
        else:
            best, share = moved, share + step
            step = min(step, (1 - share) / 2 + 0.005)
    return best


def _follows(target: Target) -> bool:
    """Say whether a printed number of the pooled reading follows from the others."""
    return target.kind == "statistic" and target.of in {"(2)", "(3)", "(4)"}


# --- the bound without a search -------------------------------------------------------------------


def outer(plan: Sample, tolerance: float) -> tuple[float, float]:
    """Return ends beyond which no panel on these rows has its within-city effect when pooled.

    The relations of the nested columns bound ``p'p`` by the zone's variation net of years
    alone, times the ratio of ``p'p`` in columns (5) and (2); every printed number enters at the
    end of its interval that widens the bound.

    Parameters
    ----------
    plan : Layout
    tolerance : float
        The controls leave at least this share of the zone's variation within cities and years.
    """
    b, se = _ends("coef", TREATMENT, "(5)"), _errors("(5)")
    room = se[1] * np.sqrt(_DF * max(0.0, _widest(plan) / tolerance - 1))
    return float(b[0] - room), float(b[1] + room)


def forced_above(plan: Sample) -> float:
    """Return the tolerance from which on :func:`outer` leaves positive effects only."""
    b, se = _ends("coef", TREATMENT, "(5)"), _errors("(5)")
    return _widest(plan) / (1 + (b[0] / se[1]) ** 2 / _DF)


def _widest(plan: Sample) -> float:
    """Return the largest ``p'p / u'u`` that the print allows where the controls explain nothing."""
    grown = 1.0
    for step, entering in enumerate(CONTROLS[2:]):  # RSS of column (2) over that of (5), at least
        left = _DF + len(CONTROLS) - 3 - step
        grown *= 1 + _ends("statistic", entering, f"({step + 3})")[0] ** 2 / left
    kept = (_DF + 3) / _DF / grown * (_errors("(2)")[1] / _errors("(5)")[0]) ** 2
    treated = plan.on[TREATMENT].to_numpy(float)
    return min(1.0, kept) * _net(plan, ["year"], treated) / _net(plan, ["city", "year"], treated)


def _errors(column: str) -> tuple[float, float]:
    """Return the ends of the standard error that the zone's coefficient and z imply."""
    b, z = (_ends(kind, TREATMENT, column) for kind in ("coef", "statistic"))
    return b[0] / z[1], b[1] / z[0]


@cache
def _ends(kind: str, row: str, column: str) -> tuple[float, float]:
    """Return the ends of a printed number's size."""
    interval = published.load(PAPER).get(cell("table4", row, column, kind)).interval
    ends = sorted(abs(float(e)) for e in (interval.low, interval.high))
    return ends[0], ends[1]


def _net(plan: Sample, columns: list[str], y: NDArray[np.float64]) -> float:
    """Return what is left of ``y'y`` net of dummies."""
    x = pd.get_dummies(plan.on[columns].astype(str)).to_numpy(float)
    e = y - x @ np.linalg.lstsq(x, y, rcond=None)[0]
    return float(e @ e)


# --- the run --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Job:
    """One panel of the run: a member of an ensemble, or what a member is pushed to."""

    reading: str
    number: int
    end: str = "member"
    tolerance: float = 0.0
    official: bool = False

    @property
    def path(self) -> str:
        """Name of its file."""
        words = f"{self.reading} {self.number:03d} {self.end} {self.tolerance:g} {self.official:d}"
        return words.replace(" ", "_") + ".csv"


def jobs(members: int, starts: int, inside: int) -> list[Job]:
    """Return the members of each reading, panels inside official ranges, and all pushes."""
    found = [Job(reading, i) for reading in READINGS for i in range(members)]
    pushed = found[: min(starts, members)]
    official = [Job("pooled", i, official=True) for i in range(inside)]
    found += official
    return found + [
        replace(job, end=end, tolerance=tolerance)
        for job in [*pushed, *official]
        for tolerance in TOLERANCES
        for end in ENDS
    ]


def _one(folder: Path, seed: int, job: Job) -> None:
    member = folder / replace(job, end="member", tolerance=0.0).path
    if job.end == "member":
        try:
            grown: Grown | None = grow(job.reading, seed, job.number, official=job.official)
        except SearchError:
            grown = None
    else:
        grown = read_member(member, job.reading)
        if grown is not None:
            grown = push(grown, job.end, job.tolerance, official=job.official)
    lines = "" if grown is None else _text(grown)
    ensemble._replace(folder / job.path, lines.encode())


def _text(grown: Grown) -> str:
    frame = grown.frame.assign(ratio=grown.ratio)
    return frame.to_csv(index=False, float_format=f"%.{DECIMALS}f", lineterminator="\n")


def read_member(path: Path, reading: str) -> Grown | None:
    """Read a panel of the run; ``None`` for one that was not found."""
    if path.stat().st_size == 0:
        return None
    frame = pd.read_csv(path)
    return as_grown(frame, reading, float(frame["ratio"].iloc[0]))


def as_grown(frame: pd.DataFrame, reading: str, ratio: float) -> Grown:
    """Return stored rows as a panel."""
    base = Sample.printed().rows
    kept = pd.MultiIndex.from_frame(frame[["city", "year"]])
    here = pd.MultiIndex.from_frame(base[["city", "year"]]).isin(kept)
    plan = Sample(base.assign(matched=here.astype(int)))
    values = _problem.values(frame.assign(matched=1), plan)
    return Grown(reading, plan, values, ratio)


def run(
    members: int,
    seed: int,
    folder: Path,
    out: Path,
    *,
    starts: int = 2,
    inside: int = 3,
    workers: int | None = None,
    progress: bool = True,
) -> Path:
    """Grow the ensembles and push their first members; what is in ``folder`` is kept."""
    folder.mkdir(parents=True, exist_ok=True)
    ensemble._claim(folder, {"seed": seed, "record": ensemble._record_digest()})
    wanted = jobs(members, starts, inside)
    for pushed in (False, True):
        missing = [
            (folder, seed, j)
            for j in wanted
            if (j.end != "member") == pushed and not (folder / j.path).exists()
        ]
        spread(_one, missing, workers=workers, what="panels", progress=progress)
    return collect(wanted, folder, out)


def collect(wanted: list[Job], folder: Path, out: Path) -> Path:
    """Write the table of panels, and the panels that are members or attain an end."""
    rows, frames = [], {}
    for job in wanted:
        grown = read_member(folder / job.path, job.reading)
        if grown is None:
            continue
        asked = {k: q.evaluate(grown.values)[0] for k, q in estimands(grown.plan).items()}
        about = [job.reading, job.end, job.number, job.tolerance, job.official, grown.ratio]
        rows.append([*about, asked["effect"], asked["z"], 1 - asked["explained"]])
        frames[len(rows) - 1] = grown.frame
    names = ["reading", "end", "parent", "tolerance", "official", "ratio", "effect", "z", "left"]
    table = pd.DataFrame(rows, columns=names)
    groups = table[table.end != "member"].groupby(["reading", "end", "tolerance", "official"])
    best = [
        (g.z if end == "smallest z" else g.effect * (1 if end == "low" else -1)).idxmin()
        for (_, end, _, _), g in groups
    ]
    table["panel"] = np.nan
    table.loc[[*table.index[table.end == "member"], *best], "panel"] = 0.0
    kept = table.index[table.panel.notna()]
    table["panel"] = pd.Series(range(len(kept)), kept).reindex(table.index).astype("Int64")
    panels = pd.concat([frames[i].assign(panel=table.panel[i]) for i in kept])
    text = panels[["panel", *panels.columns[:-1]]].to_csv(
        index=False, float_format=f"%.{DECIMALS}f", lineterminator="\n"
    )
    first, second = (out / name for name in FILES)
    ensemble._replace(second, gzip.compress(text.encode(), mtime=0))
    lines = table.to_csv(index=False, float_format="%.7g", lineterminator="\n")
    ensemble._replace(first, lines.encode())
    return first


def stored() -> tuple[pd.DataFrame, dict[int, Grown]]:
    """Return the stored table of panels, and by number those that are kept."""
    folder = data_dir() / "witness"
    table = pd.read_csv(folder / FILES[0])
    kept = table[table["panel"].notna()].set_index("panel")
    panels = {
        number: as_grown(frame, *kept.loc[number, ["reading", "ratio"]])
        for number, frame in _by_panel(pd.read_csv(folder / FILES[1]))
    }
    return table, panels


def _by_panel(panels: pd.DataFrame) -> list[tuple[int, pd.DataFrame]]:
    numbers = panels["panel"].to_numpy()
    return [(int(i), panels[numbers == i]) for i in np.unique(numbers)]
