"""Write a witness with its manifest; hold a panel against every printed cell."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pandas as pd

from ftz import did
from ftz.random_effects import random_effects
from study import published, replication
from study.panel import WITNESSES
from study.paths import data_dir
from study.witness._stages import DECIMALS, Witness

_TABLE1 = {
    "table1 standard errors and t": (
        "the printed t is not the printed effect over the printed standard error in any row, "
        "so no panel can meet both; the formula behind the standard error is not printed"
    )
}
#: What the witness of each reading is not asked to meet, and why; it is asked for the rest.
NOT_ASKED = {
    "two-way": _TABLE1
    | {
        "table5 column (8), coefficient and z of IL": (
            "total effect = direct effect + a*b holds in every least-squares sample; the printed "
            "columns (7), (8) and Table 4 (5) break it for any unit of IL"
        )
    },
    "one command": _TABLE1
    | {
        "table5 column (7), z of FTZ": (
            "under the classical formula it asks that zone, controls and years explain nearly all "
            "of IL, whose printed maximum lies far out; no outcome was found that does on this "
            "panel's controls, which is no proof that there is none"
        ),
        "table5 column (8), coefficients and z of FTZ and IL": (
            "least squares ties (5), (7) and (8) by total = direct + a*b, which the printed "
            "coefficients break; the fall of FTZ from (5) to (8) alone would ask as close a fit "
            "of IL as its z in (7)"
        ),
    },
}
_ONLY = "its tools estimate city and year effects, and only here these return column (5)"
#: Pages that load a shipped witness, each with title, readings loaded, and why these.
STANDS = {
    ("propensity-score-matching", "matching-appendix"): (
        "Matching",
        ("two-way",),
        "Table 1 needs no reading of Table 4: both witnesses return its effects; these rows are "
        "those of the chapter that follows",
    ),
    ("difference-in-differences",): (
        "Differences in differences",
        ("two-way", "one command"),
        f"Table 4 under either reading; then two-way: {_ONLY}",
    ),
    ("did-appendix",): ("its appendix", ("two-way",), _ONLY),
    ("robustness", "robustness-appendix"): (
        "Robustness",
        ("one command",),
        "the reading that the digits favour; not asked for Figures 2 and 3",
    ),
    ("mechanisms",): (
        "Mechanisms",
        ("two-way", "one command"),
        "the sub-indices (9) to (12) under the reading that the digits favour; (7) and (8), which "
        "no panel of it was found to return, on the two-way one",
    ),
    ("mechanisms-appendix",): ("its appendix", ("two-way",), "columns (7) and (8) alone"),
    ("multiverse", "multiverse-appendix"): (
        "Multiverse",
        ("two-way",),
        "the paper's own path, which returns column (5), has to be on the curve",
    ),
    ("do-the-tools-work", "tools-appendix"): (
        "Do the tools work?",
        ("two-way",),
        "outcomes are drawn; only the rows and, for one number, the controls are taken",
    ),
    ("within-city-effect",): (
        "The effect within cities",
        ("two-way", "one command"),
        "one line of a table each; its own panels are grown under the pooled reading",
    ),
    ("intro", "reruns", "problems-and-proposals", "proposals"): (
        "Landing page, reruns, proposals",
        ("two-way",),
        "they show what the chapters on matching and differences show",
    ),
}
_PANEL_FILES = {
    reading: (name, name.replace("panel", "manifest").replace("csv", "json"))
    for reading, name in WITNESSES.items()
}


def asked(frame: pd.DataFrame, reading: str = "two-way") -> pd.Series:
    """Say which rows of a comparison the witness of a reading was asked to meet."""
    number = frame["statistic"].isin(["coef", "se", "statistic"])
    table1 = (frame["table"] == "table1") & (frame["statistic"] != "coef")
    left = number & (frame["table"] == "table5") & (frame["column"] == "(8)")
    if reading == "two-way":
        left &= frame["row"] == "IL"
    else:
        left |= (frame["column"] == "(7)") & (frame["statistic"] == "statistic")
    return ~(table1 | left)


def check(frame: pd.DataFrame, reading: str = "two-way") -> pd.DataFrame:
    """Run the book's estimators on a panel and compare every cell with the print.

    Parameters
    ----------
    frame : pandas.DataFrame
        130 rows, the matched ones marked.
    reading : {"two-way", "one command"}
        The estimator of Tables 4 and 5: :data:`study.replication.READINGS`.

    Returns
    -------
    pandas.DataFrame
        As :func:`study.replication.compare`, with a column ``asked``.
    """
    compared = replication.compare(replication._tables(frame, reading))
    return compared.assign(asked=asked(compared, reading))


def panel_bytes(frame: pd.DataFrame) -> bytes:
    """Return the panel as the bytes of its file."""
    text = frame.to_csv(index=False, float_format=f"%.{DECIMALS}f", lineterminator="\n")
    return text.encode("utf-8")


def manifest(witness: Witness) -> dict[str, Any]:
    """Say what a witness is, what it meets, and what it was not asked to meet."""
    compared = check(witness.frame, witness.reading)
    wanted = compared[compared["asked"]]
    matched = witness.frame[witness.frame["matched"] == 1]
    own = _one_command if witness.reading == "one command" else _two_way
    head, conventions = own(witness, matched)
    return {
        "what": "a witness panel: constructed from printed tables, not data",
        **head,
        "seed": witness.seed,
        "sha256": hashlib.sha256(panel_bytes(witness.frame)).hexdigest(),
        "rows": {"all": len(witness.frame), "matched": len(matched)},
        "treated_matched_rows": int(matched["FTZ"].sum()),
        "steps": witness.iterations,
        "printed_cells_met": {
            table: f"{int((part['verdict'] == published.REPRODUCED).sum())} of {len(part)}"
            for table, part in wanted.groupby("table")
        },
        "not_asked": NOT_ASKED[witness.reading],
        "conventions": {
            **conventions,
            "matching": "linear index of a logit, k = "
            f"{replication.MATCHING.neighbours}, caliper {replication.MATCHING.caliper} "
            "in units of the index, ties shared, min-max support",
        },
    }


def _two_way(witness: Witness, matched: pd.DataFrame) -> tuple[dict[str, Any], dict[str, Any]]:
    factor = did.cluster_factor(len(matched), 26, matched["city"].nunique())
    return {"command": "python -m study.witness"}, {
        "standard_errors": "clustered by city, factor n/(n-k), effects counted in k",
        "stata_cr1_multiple": round(factor, 6),
        "constant": "base year 2013, city effects average to zero over the sample",
    }


def _one_command(witness: Witness, matched: pd.DataFrame) -> tuple[dict[str, Any], dict[str, Any]]:
    """Say what is its own: thetas, and the within-city effect beside those of other panels."""
    names = (replication.OUTCOME, replication.TREATMENT)
    fits = [
        random_effects(matched, *names, replication.CONTROLS[: k + 1])
        for k in range(len(replication.CONTROLS))
    ]
    within = did.twfe(matched, *names, replication.CONTROLS)
    others = pd.read_csv(data_dir() / "witness" / "within-city.csv")
    members = others[(others["end"] == "member") & (others["reading"] == witness.reading)]
    head = {
        "command": "python -m study.witness --reading 'one command'",
        "reading": "xtreg, re with year dummies, emulated (ftz.random_effects)",
        "theta": {
            f"({k})": [round(float(end), 6) for end in (fit.theta.min(), fit.theta.max())]
            for k, fit in enumerate(fits, start=1)
        },
        "degrees_of_freedom_between": [fit.df_between for fit in fits],
        "within_city_effect": {
            "coefficient": round(float(within.att), 6),
            "z_clustered": round(float(within.tstats[replication.TREATMENT]), 4),
            "members_of_the_reading": [
                round(float(v), 4) for v in members["effect"].quantile([0, 0.5, 1])
            ],
        },
    }
    return head, {
        "standard_errors": "classical, RSS/(n - K) of the last regression, years counted",
        "constant": "base year 2013",
    }


def write(witness: Witness, folder: Path) -> tuple[Path, Path]:
    """Write the panel and its manifest, named by the reading; return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    panel, about = (folder / name for name in _PANEL_FILES[witness.reading])
    text = json.dumps(manifest(witness), indent=2, ensure_ascii=False) + "\n"
    panel.write_bytes(panel_bytes(witness.frame))
    about.write_bytes(text.encode("utf-8"))
    return panel, about
