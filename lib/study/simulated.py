"""``python -m study.simulated``: draw the simulated indicator panel and write it.

The command stands above the rooms that it joins: it reads the printed moments of Table 2
and the register, and hands both to :func:`ftz.index.simulate_like`, which knows neither.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from ftz import register
from ftz.index import FLAT_MEANS, Moments, build, load_tree, simulate_like
from ftz.index.files import indicator_bytes
from ftz.paths import data_dir
from study import published, replication
from study.commands import run_command

SEED = 2013
YEARS = range(2013, 2023)
LABEL = (
    "by `python -m study.simulated --seed {seed}`: drawn by a random-number generator so that the "
    "index and four sub-indices have the moments of the printed Table 2 on the rows marked "
    "matched. No number below was measured and none describes a real city."
)


def printed_moments() -> dict[str, Moments]:
    """Return what Table 2 prints of the index and its sub-indices (logarithms)."""
    record = published.load(replication.PAPER)

    def moments(variable: str) -> Moments:
        cells = [
            record.get(replication.cell("table2", variable, c, "value"))
            for c in ("mean", "sd", "min", "max")
        ]
        return Moments(*(float(c.value) for c in cells))

    found = {name: moments(name) for name in replication.SUB_INDICES.values()}
    return found | {"index": moments(replication.OUTCOME)}


def printed_effects() -> dict[str, float]:
    """Return the printed effects on the sub-indices, columns (9) to (12) of Table 5."""
    record = published.load(replication.PAPER)
    return {
        name: float(record.get(replication.cell("table5", replication.TREATMENT, c, "coef")).value)
        for c, name in replication.SUB_INDICES.items()
    }


def design(seed: int) -> pd.DataFrame:
    """Return cities, years and treatment, with as many matched rows as Table 2 prints.

    Which rows are matched is drawn; how many of them are treated follows from the printed
    mean of the treatment.
    """
    record = published.load(replication.PAPER)
    rows = [(c, y) for c in register.study_cities() for y in YEARS]
    frame = pd.DataFrame(rows, columns=["city", "year"])
    frame["FTZ"] = np.asarray(register.treatment(frame))
    count, share = (
        float(record.get(replication.cell("table2", v, c, "value")).value)
        for v, c in ((replication.OUTCOME, "n"), (replication.TREATMENT, "mean"))
    )
    treated = round(count * share)
    rng = np.random.default_rng(seed)
    frame["matched"] = 0
    for status, wanted in ((1, treated), (0, int(count) - treated)):
        drawn = rng.choice(frame.index[frame["FTZ"] == status], wanted, replace=False)
        frame.loc[drawn, "matched"] = 1
    return frame


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit code."""
    description = "Draw simulated indicators whose index has the printed moments."
    return run_command("study.simulated", description, add_arguments, run, arguments)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument(
        "--seed", type=int, default=SEED, help="of the draws (default: %(default)s)"
    )
    parser.add_argument(
        "--out", type=Path, default=None, help="file to write (default: data/index/simulated.csv)"
    )
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 if the file would change"
    )


def run(options: argparse.Namespace) -> int:
    """Draw, report and write; return the exit code."""
    path = options.out or data_dir() / "index" / "simulated.csv"
    frame, tree, wanted = design(options.seed), load_tree(), printed_moments()
    drawn = simulate_like(tree, frame, wanted, printed_effects(), options.seed)
    matched = frame["matched"].to_numpy() == 1
    logs = np.log(build(drawn, tree, FLAT_MEANS).scores[list(wanted)][matched])
    print("SIMULATED indicators; logarithms of the index and its parts on the matched rows:")
    print(logs.agg(["mean", "std", "min", "max"]).T.round(3).to_string())
    content = indicator_bytes(frame, drawn, LABEL.format(seed=options.seed))
    if options.check:
        same = path.is_file() and path.read_bytes() == content
        print("the file is what this command writes" if same else "the file would change")
        return 0 if same else 1
    path.write_bytes(content)
    print(f"wrote {path}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
