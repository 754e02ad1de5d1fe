"""Write a witness with its manifest; hold a panel against every printed cell."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pandas as pd

from ftz import did
from study import published, replication
from study.witness.stages import DECIMALS, Witness

#: Cells that the witness is asked to meet, by table; what is missing here is said in
#: :data:`NOT_ASKED`.
NOT_ASKED = {
    "table1 standard errors and t": (
        "the printed t is not the printed effect over the printed standard error in any row, "
        "so no panel can meet both; the formula behind the standard error is not printed"
    ),
    "table5 column (8), coefficient and z of IL": (
        "total effect = direct effect + a*b holds in every least-squares sample; the printed "
        "columns (7), (8) and Table 4 (5) break it for any unit of IL"
    ),
}


def asked(frame: pd.DataFrame) -> pd.Series:
    """Say which rows of a comparison the witness was asked to meet."""
    table1 = (frame["table"] == "table1") & (frame["statistic"] != "coef")
    mediator = (frame["table"] == "table5") & (frame["column"] == "(8)") & (frame["row"] == "IL")
    return ~(table1 | mediator)


def check(frame: pd.DataFrame) -> pd.DataFrame:
    """Run the book's estimators on a panel and compare every cell with the print.

    Returns
    -------
    pandas.DataFrame
        As :func:`study.replication.compare`, with a column ``asked``.
    """
    compared = replication.compare(replication.tables(frame))
    return compared.assign(asked=asked(compared))


def panel_bytes(frame: pd.DataFrame) -> bytes:
    """Return the panel as the bytes of its file."""
    text = frame.to_csv(index=False, float_format=f"%.{DECIMALS}f", lineterminator="\n")
    return text.encode("utf-8")


def manifest(witness: Witness) -> dict[str, Any]:
    """Say what a witness is, what it meets, and what it was not asked to meet."""
    compared = check(witness.frame)
    wanted = compared[compared["asked"]]
    matched = witness.frame[witness.frame["matched"] == 1]
    factor = did.cluster_factor(len(matched), 26, matched["city"].nunique())
    return {
        "what": "a witness panel: constructed from printed tables, not data",
        "command": "python -m study.witness",
        "seed": witness.seed,
        "sha256": hashlib.sha256(panel_bytes(witness.frame)).hexdigest(),
        "rows": {"all": len(witness.frame), "matched": len(matched)},
        "treated_matched_rows": int(matched["FTZ"].sum()),
        "steps": witness.iterations,
        "printed_cells_met": {
            table: f"{int((part['verdict'] == published.REPRODUCED).sum())} of {len(part)}"
            for table, part in wanted.groupby("table")
        },
        "not_asked": NOT_ASKED,
        "conventions": {
            "standard_errors": "clustered by city, factor n/(n-k), effects counted in k",
            "stata_cr1_multiple": round(factor, 6),
            "constant": "base year 2013, city effects average to zero over the sample",
            "matching": "linear index of a logit, k = "
            f"{replication.MATCHING.neighbours}, caliper {replication.MATCHING.caliper} "
            "in units of the index, ties shared, min-max support",
        },
    }


def write(witness: Witness, folder: Path) -> tuple[Path, Path]:
    """Write ``panel.csv`` and ``manifest.json``; return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    panel, about = folder / "panel.csv", folder / "manifest.json"
    text = json.dumps(manifest(witness), indent=2, ensure_ascii=False) + "\n"
    panel.write_bytes(panel_bytes(witness.frame))
    about.write_bytes(text.encode("utf-8"))
    return panel, about
