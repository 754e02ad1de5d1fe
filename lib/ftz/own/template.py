"""The template of `ftz new-panel`, and the simulated panel that the book shows it with."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd

from ftz.own.spec import KEYS, TRANSFORMS, PanelProblem, ProblemsError

#: What pages say of these functions (see ``bookworks.lineage``).
__lineage__ = {"simulate": {"panel": "simulated"}}

#: The parts in the example; a reader replaces the right-hand sides.
_EXAMPLE = {
    "title": "A simulated panel",
    "source": "simulated by ftz.own.simulate; no city behind it",
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
        if key == "derived":
            lines += [f"#   ({do}: {what})" for do, what in TRANSFORMS.items()]
    return "\n".join(lines) + "\n"


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
