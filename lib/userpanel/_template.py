"""The template of `ftz new-panel`, and the simulated panel that the book shows it with."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ftz._columns import moments
from ftz.errors import EstimationError
from userpanel._periods import described
from userpanel._reading import read_sheet
from userpanel._spec import KEYS, MATCHING, TRANSFORMS, PanelProblem, ProblemsError, plain

#: What pages say of these functions (see ``bookworks._lineage``).
__lineage__ = {"simulate": {"panel": "simulated"}}

#: The parts in the example; a reader replaces the right-hand sides.
_EXAMPLE = {
    "title": "A simulated panel",
    "source": "simulated by userpanel.simulate; no city behind it",
    "simulated": "true",
    "unit": "city",
    "time": "year",
    "outcome": "quality",
    "cohort": "zone_year",
    "covariates": "[income, openness]",
    "sub_outcomes": "[innovation, vitality]",
    "mediator": "linkage",
    "labels": "{quality: log of quality, income: log of income per head}",
}
#: Names of columns that hold periods.
_TIMES = re.compile(r"year|time|period|quarter|month|date|wave|年|季|月|期", re.IGNORECASE)
#: What the simulation puts in, for tests and for the page that shows it.
EFFECT = 0.15
UNITS, PERIODS, COHORTS = 24, range(2012, 2022), (2015, 2017, 2019)


def simulate(seed: int = 7) -> pd.DataFrame:
    """Return a simulated panel of 24 cities and 10 years with staggered adoption.

    The effect of the zone on ``quality`` is :data:`EFFECT`, of which 0.4 times 0.1 runs
    through ``linkage``; richer cities adopt more often.

    Parameters
    ----------
    seed : int

    Returns
    -------
    pandas.DataFrame
        City by year: ``city, year, zone_year, quality, income, openness, linkage,
        innovation, vitality``.
    """
    rng = np.random.default_rng(seed)
    years = np.arange(PERIODS.start, PERIODS.stop)
    rich = rng.normal(size=UNITS)
    order = np.argsort(-(rich + rng.normal(size=UNITS)))
    start = np.full(UNITS, np.nan)
    start[order[:9]] = rng.permutation(np.repeat(COHORTS, 3))
    city = np.repeat(np.arange(UNITS), len(years))
    year = np.tile(years, UNITS)
    on = (year >= start[city]).astype(float)
    common = np.cumsum(rng.normal(0.03, 0.02, len(years)))[year - years[0]]

    def noise(scale: float) -> np.ndarray:
        return rng.normal(0, scale, len(city))

    income = 1.5 + 0.3 * rich[city] + common + noise(0.06)
    openness = 0.3 + 0.05 * rich[city] + noise(0.05)
    linkage = 1 + 0.1 * rich[city] + 0.4 * on + noise(0.1)
    direct = (EFFECT - 0.4 * 0.1) * on
    quality = 2 + 0.2 * rich[city] + common + direct + 0.1 * linkage + 0.2 * income + noise(0.05)
    return pd.DataFrame(
        {
            "city": [f"City {c + 1:02d}" for c in city],
            "year": year,
            "zone_year": pd.array(start[city], dtype="Int64"),
            "quality": quality.round(4),
            "income": income.round(4),
            "openness": openness.round(4),
            "linkage": linkage.round(4),
            "innovation": (0.5 * quality + 0.1 * on + noise(0.1)).round(4),
            "vitality": (0.5 * quality + noise(0.1)).round(4),
        }
    )


def spec_text() -> str:
    """Return the example's spec, each key with its meaning; unused keys are commented out."""
    lines = [
        "# Which column plays which part.  `ftz check panel.csv --spec spec.yml` says what is",
        "# wrong; `make book PANEL=panel.csv SPEC=spec.yml` makes the book of this panel.",
    ]
    for key, meaning in KEYS.items():
        lines += ["", f"# {meaning}"]
        lines.append(f"{key}: {_EXAMPLE[key]}" if key in _EXAMPLE else f"# {key}:")
        more = {"derived": TRANSFORMS, "matching": MATCHING}.get(key, {})
        lines += [f"#   ({do}: {what})" for do, what in more.items()]
    return "\n".join(lines) + "\n"


def propose(path: str | Path) -> str:
    """Look at a panel's file and return a spec that proposes a part for its columns.

    Each proposal says why it was made, and every other key stays commented out: nothing is
    decided for the reader, who confirms or corrects the lines.

    Raises
    ------
    ProblemsError
        If the file cannot be read, or no two columns name each row once.
    """
    sheet = read_sheet(path)
    frame = sheet.frame
    found = _roles(frame)
    if "unit" not in found:
        remedy = "one row a unit and period; write the spec by hand from `ftz new-panel`"
        what = "no two columns tell the rows apart as unit and period"
        raise ProblemsError([PanelProblem(what, sheet.file, remedy=remedy)])
    lines = [
        f"# Proposed from {plain(sheet.file)}: {len(frame)} rows, {frame.shape[1]} columns.",
        "# Confirm or correct each line; `ftz check` says what does not fit.",
    ]
    for key, meaning in KEYS.items():
        lines += ["", f"# {meaning}"]
        if key in found:
            name, why = found[key]
            lines += [f"# proposed because {why}", f"{key}: {json.dumps(name, ensure_ascii=False)}"]
        else:
            lines.append(f"# {key}:")
    taken = [name for name, _ in found.values()]
    rest = [c for c in _numbers(frame) if c not in taken]
    lines += ["", "# Other columns of numbers, which may be covariates:"]
    lines += [f"#   {plain(c)}" for c in rest] or ["#   none"]
    return "\n".join(lines) + "\n"


def _numbers(frame: pd.DataFrame) -> list[str]:
    """Return the columns that hold numbers and nothing else."""
    parsed = {c: pd.to_numeric(frame[c].replace("", None), errors="coerce") for c in frame}
    return [
        str(c)
        for c, values in parsed.items()
        if values.notna().any() and values.notna().sum() == frame[c].replace("", None).notna().sum()
    ]


def _roles(frame: pd.DataFrame) -> dict[str, tuple[Any, str]]:
    """Return parts that columns may play, each with the column and the reason."""
    found: dict[str, tuple[Any, str]] = {}
    empty = frame.isna() | frame.isin(["", "NA", "."])
    full = [str(c) for c in frame if not empty[c].any()]
    counts = {c: int(frame[c].nunique()) for c in full}
    times = [c for c in full if counts[c] > 2 and _placed(frame[c])]
    pairs = [
        (u, t)
        for t in times
        for u in full
        if u != t
        and counts[u] > 3
        and counts[u] * counts[t] <= 2 * len(frame)
        and counts[u] * counts[t] >= len(frame)
        and not frame.duplicated([u, t]).any()
    ]
    if not pairs:
        return found
    numbers = _numbers(frame)
    named = {c for c in full if _TIMES.search(c)}

    def odd(pair: tuple[str, str]) -> tuple[bool, ...]:
        u, t = pair
        return t not in named, u in named, u in numbers, counts[t] > counts[u]

    unit, time = min(pairs, key=odd)
    found["unit"] = unit, f"it has {counts[unit]} values, and with {time} it names each row once"
    found["time"] = time, f"it holds {described(_places(frame[time]).to_numpy())}"
    cells = frame.fillna("").astype(str)
    fixed = cells.groupby(frame[unit].to_numpy()).nunique().max() == 1
    found |= _adoption(frame, unit, time, fixed)
    taken = {name for name, _ in found.values() if isinstance(name, str)}
    outcomes = [
        c for c in numbers if c not in taken and not fixed.get(c, False) and counts.get(c, 0) > 2
    ]
    if outcomes:
        why = "it is the first column of numbers that changes within units: CHECK THIS FIRST"
        found["outcome"] = outcomes[0], why
    return found


def _adoption(
    frame: pd.DataFrame, unit: str, time: str, fixed: pd.Series
) -> dict[str, tuple[Any, str]]:
    """Return the column that may say when units adopt: cohort and never, or treatment."""
    found: dict[str, tuple[Any, str]] = {}
    seen, on = set(_places(frame[time]).dropna()), dict[str, float]()
    for name in [str(c) for c in frame if c not in (unit, time)]:
        kinds = set(_places(frame[name]).dropna())
        odd_ones = {k for k in kinds - seen if k <= 0 or k > max(seen) + 100}
        if fixed[name] and kinds & seen and 2 * len(kinds & seen) >= len(kinds - odd_ones):
            found.setdefault("cohort", (name, "it is the same in all rows of a unit, and a period"))
            if odd_ones and found["cohort"][0] == name:
                some = ", ".join(f"{k:g}" for k in sorted(odd_ones))
                never = [int(k) if k % 1 == 0 else k for k in sorted(odd_ones)]
                found["never"] = never, f"{name} holds {some}, which is no period"
        elif kinds == {0, 1} and not fixed[name]:
            values = pd.to_numeric(frame[name], errors="coerce")
            order = frame.assign(v=values).sort_values([unit, time], key=_placed_or_text)
            if (order.groupby(unit)["v"].diff().dropna() >= 0).all():
                on[name] = float(values.sum())
    if on and "cohort" not in found:
        most = max(on, key=lambda name: on[name])
        others = f"; so are {len(on) - 1} others with fewer ones" if len(on) > 1 else ""
        found["treatment"] = most, f"it is 0 and 1, and once 1 always 1{others}"
    return found


def _placed(column: pd.Series) -> bool:
    """Tell whether all of a column's values are periods, few enough to be those of a panel."""
    values = pd.Series(column.unique())
    if len(values) > 400:
        return False
    try:
        places = moments(values)
    except EstimationError:
        return False
    dates = pd.to_numeric(values.astype("string"), errors="coerce").isna().all()
    return bool(np.isfinite(places).all() and (dates or (places % 0.25 == 0).mean() > 0.2))


def _places(column: pd.Series) -> pd.Series:
    """Return when each cell lies, NaN where it is empty; nothing where a cell is no period."""
    text = column.astype("string").str.strip()
    full = column[~(text.isna() | text.isin(["", "NA", "."]))]
    if full.empty or not _placed(full):
        return pd.Series(dtype=float)
    values = pd.Series(full.unique())
    return full.map(dict(zip(values, moments(values), strict=True))).astype(float)


def _placed_or_text(column: pd.Series) -> Any:
    return moments(column) if _placed(column) else column


def write_proposal(path: str | Path, target: str | Path) -> Path:
    """Write the proposed spec of a panel's file; never over a file that is there.

    Raises
    ------
    ProblemsError
        As :func:`propose`; if the target is there already.
    """
    target, text = Path(target), propose(path)
    try:
        with target.open("x", encoding="utf-8") as handle:
            handle.write(text)
    except OSError as error:
        what = "is there already" if target.exists() else f"cannot be written ({error.strerror})"
        raise ProblemsError([PanelProblem(what, str(target))]) from None
    return target


def write_template(folder: str | Path, *, rows: int | None = 1, force: bool = False) -> list[Path]:
    """Write ``panel.csv`` and ``spec.yml`` into a folder.

    Parameters
    ----------
    folder : path
        Made if it is not there.
    rows : int or None
        Rows of the simulated panel to write; None writes all of it, ready to be run.
    force : bool
        Overwrite files that are there.

    Raises
    ------
    ProblemsError
        If a file is there already and ``force`` is not set: nothing is written then.
    """
    folder = Path(folder)
    files = [folder / "panel.csv", folder / "spec.yml"]
    there = [
        PanelProblem("is there already", str(f), remedy="use --force") for f in files if f.exists()
    ]
    if there and not force:
        raise ProblemsError(there)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        panel = simulate() if rows is None else simulate().head(rows)
        texts = panel.to_csv(index=False, lineterminator="\n"), spec_text()
        for path, text in zip(files, texts, strict=True):
            unfinished = path.with_name(path.name + ".part")
            unfinished.write_text(text, encoding="utf-8")
            os.replace(unfinished, path)
    except OSError as error:
        problem = PanelProblem(
            f"cannot be written ({error.strerror})", str(error.filename or folder)
        )
        raise ProblemsError([problem]) from None
    return files
