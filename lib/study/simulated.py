"""``python -m study.simulated``: draw the simulated indicator panel and write it.

Its numbers are drawn by a random-number generator and were measured by nobody.  Sub-indices
and index have the moments that Table 2 prints, under :data:`FLAT_MEANS`.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import optimize, special, stats

from ftz.errors import EstimationError
from ftz.index import IndexSpec, IndexTree, build
from study import published, replication
from study._commands import run_command
from study.indicators import _indicator_bytes, load_tree
from study.paths import data_dir
from study.witness._sample import Sample

#: What pages say of these functions (see ``bookworks._lineage``).
__lineage__ = {"_simulate_*": {"panel": "simulated"}}

SEED = 2013
_LABEL = (
    "by `python -m study.simulated --seed {seed}`: drawn by a random-number generator so that the "
    "index and four sub-indices have the moments of the printed Table 2 on the rows marked "
    "matched. No number below was measured and none describes a real city."
)


#: Pooled min-max; indicators of a sub-index weigh the same, sub-indices weigh the same.
FLAT_MEANS = IndexSpec(weights="flat", level_weights={1: "equal"})

#: Type of a leaf to the range in which simulated values lie, in its unit.
_RANGES = {
    "count": (40.0, 60000.0),
    "level": (25.0, 48000.0),
    "share": (1.5, 78.0),
    "concentration": (6.0, 71.0),
    "per_firm": (0.02, 6.5),
    "per_head": (2.0, 410.0),
    "per_area": (0.1, 96.0),
}


@dataclass(frozen=True)
class _Moments:
    """Mean, standard deviation (ddof 1), smallest and largest value that a column shall have."""

    mean: float
    sd: float
    low: float
    high: float


def _with_moments(draw: np.ndarray, target: _Moments) -> np.ndarray:
    r"""Bend a draw monotonically until it has the moments that are wanted.

    The draw is scaled to [0, 1], bent by :math:`u \mapsto 1 - (1 - u^a)^b` and scaled to
    the range; *a* and *b* solve for mean and standard deviation, if any do.
    """
    unit = (draw - draw.min()) / (draw.max() - draw.min())
    span = target.high - target.low
    goal = np.array([(target.mean - target.low) / span, target.sd / span])

    def bent(powers: np.ndarray) -> np.ndarray:
        a, b = np.exp(powers)
        return np.asarray(1 - (1 - unit**a) ** b)

    def gap(powers: np.ndarray) -> np.ndarray:
        values = bent(powers)
        return np.asarray(np.array([values.mean(), values.std(ddof=1)]) - goal)

    solution = optimize.least_squares(gap, np.zeros(2), xtol=1e-15, ftol=1e-15, gtol=1e-15)
    if np.abs(solution.fun).max() > 1e-9:
        raise EstimationError(f"a draw cannot be bent to {target}")
    return target.low + span * bent(solution.x)


def _simulate_like(
    tree: IndexTree,
    frame: pd.DataFrame,
    targets: Mapping[str, _Moments],
    effects: Mapping[str, float],
    seed: int,
) -> pd.DataFrame:
    """Draw SIMULATED indicators whose sub-indices and index have given moments of their logs.

    On the rows of ``frame`` with ``matched == 1``, the logarithm of each first-level node
    in ``targets``, and of the index if it is there, has exactly the wanted mean, standard
    deviation and range, when the index is built with :data:`FLAT_MEANS` from
    unrounded indicators.  First-level nodes that are not in ``targets`` share what the index
    leaves.  Nothing else about the panel is wanted from it.
    """
    rng = np.random.default_rng(seed)
    levels = _levels(tree, frame, targets, effects, rng)
    columns = {}
    for node in tree.children(""):
        names = tree.leaves(node)
        shares = _split(levels[node].to_numpy(), len(names), frame, rng)
        for name, share in zip(names, shares.T, strict=True):
            columns[name] = _in_units(share, tree.node(name), rng)
    index = pd.MultiIndex.from_frame(frame[["city", "year"]])
    return pd.DataFrame(columns, index=index)[tree.leaves()]


def _levels(
    tree: IndexTree,
    frame: pd.DataFrame,
    targets: Mapping[str, _Moments],
    effects: Mapping[str, float],
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Draw the first-level nodes on a scale from zero to one."""
    n, nodes = len(frame), tree.children("")
    matched = frame["matched"].to_numpy() == 1
    common = _two_way(frame, rng, 0.8, 0.35, 0.25)
    levels = pd.DataFrame(index=frame.index)
    for node in (k for k in nodes if k in targets):
        own = _two_way(frame, rng, 0.7, 0.1, 0.35)
        spread = (common + own).std()
        treated = effects.get(node, 0.0) / targets[node].sd * spread * frame["FTZ"].to_numpy()
        levels[node] = np.exp(_bend(common + own + treated, matched, targets[node])) / 100
    others = [k for k in nodes if k not in targets]
    known = levels.mean(axis=1).to_numpy()
    if "index" not in targets:
        for node in others:
            levels[node] = stats.norm.cdf(0.6 * _two_way(frame, rng, 1.0, 0.4, 0.3))
        return levels
    whole = np.log(known) + 0.015 * rng.standard_normal(n)
    index = np.exp(_bend(whole, matched, targets["index"])) / 100
    rest = len(nodes) * index - levels.sum(axis=1).to_numpy()
    tilt = 0.12 * np.tanh(_two_way(frame, rng, 0.6, 0.3, 0.3))
    for place, node in enumerate(others):
        weight = 1 / len(others) + (tilt if place == 0 else -tilt / (len(others) - 1))
        levels[node] = rest * weight
    if not levels.gt(0.02).all(axis=None) or not levels.lt(0.98).all(axis=None):
        raise EstimationError("the wanted moments leave no room for the nodes without any")
    return levels


def _two_way(
    frame: pd.DataFrame, rng: np.random.Generator, unit: float, trend: float, noise: float
) -> np.ndarray:
    """Draw unit effects, a trend and noise, with the given weights."""
    units, places = np.unique(frame["city"].to_numpy(), return_inverse=True)
    years = frame["year"].to_numpy(float)
    rising = (years - years.mean()) / (years.max() - years.min())
    effect = rng.standard_normal(len(units))[places]
    drawn = unit * effect + trend * 2 * rising + noise * rng.standard_normal(len(frame))
    return np.asarray(drawn)


def _bend(draw: np.ndarray, matched: np.ndarray, target: _Moments) -> np.ndarray:
    """Give the matched rows the wanted moments; bring the others inside the range."""
    inside, out = draw[matched], np.empty_like(draw)
    out[matched] = _with_moments(inside, target)
    order = np.argsort(inside)
    low, high = inside.min(), inside.max()
    others = draw[~matched]  # beyond an end they are reflected, or they would pile up there
    others = np.where(others > high, high - 0.5 * (others - high), others)
    others = np.where(others < low, low + 0.5 * (low - others), others)
    out[~matched] = np.interp(others, inside[order], out[matched][order])
    return out


def _split(level: np.ndarray, m: int, frame: pd.DataFrame, rng: np.random.Generator) -> np.ndarray:
    """Draw m columns on [0, 1], each touching 0 and 1, whose mean is ``level`` in every row."""
    tilt = rng.normal(0.0, 0.9, m)
    logits = np.column_stack([_two_way(frame, rng, 0.9, 0.3, 0.35) for _ in range(m)]) + tilt
    fixed = _extremes(level, logits)
    free = np.isnan(fixed)
    ones = np.nansum(fixed, axis=1)

    def total(shift: np.ndarray) -> np.ndarray:
        drawn = np.where(free, special.expit(logits + shift[:, None]), 0.0)
        return np.asarray(ones + drawn.sum(axis=1))

    low, high = np.full(len(level), -40.0), np.full(len(level), 40.0)
    for _ in range(200):
        middle = (low + high) / 2
        short = total(middle) < m * level
        low, high = np.where(short, middle, low), np.where(short, high, middle)
    return np.where(free, special.expit(logits + ((low + high) / 2)[:, None]), fixed)


def _extremes(level: np.ndarray, logits: np.ndarray) -> np.ndarray:
    """Choose for each column the row where it is 1 and the row where it is 0.

    A row takes as many ones and zeros as leave its mean within reach of the others.
    """
    n, m = logits.shape
    fixed = np.full((n, m), np.nan)
    for column in range(m):
        order = np.argsort(logits[:, column] - logits.mean(axis=1))
        for value, rows in ((1.0, order[::-1]), (0.0, order)):
            for row in rows:
                if np.isnan(fixed[row, column]) and _fits(fixed[row], column, value, level[row]):
                    fixed[row, column] = value
                    break
            else:
                raise EstimationError("a sub-index leaves no row for the ends of its indicators")
    return fixed


def _fits(row: np.ndarray, column: int, value: float, level: float) -> bool:
    """Say whether the free entries of a row can still bring its mean to ``level``."""
    trial = row.copy()
    trial[column] = value
    free, need = np.isnan(trial).sum(), len(row) * level - np.nansum(trial)
    return 0.04 * free < need < 0.96 * free if free else False


def _in_units(share: np.ndarray, node: pd.Series, rng: np.random.Generator) -> np.ndarray:
    """Stretch a column on [0, 1] to a range of its type, turned where less is better."""
    low, high = _RANGES[node.type]
    low, high = low * rng.uniform(0.6, 1.6), high * rng.uniform(0.5, 1.2)
    return low + (high - low) * (share if node.direction == 1 else 1 - share)


# --- the paper's moments, and the command -------------------------------------------------------


def _printed_moments() -> dict[str, _Moments]:
    """Return what Table 2 prints of the index and its sub-indices (logarithms)."""
    record = published.load(replication.PAPER)

    def moments(variable: str) -> _Moments:
        cells = [
            record.get(replication.cell("table2", variable, c, "value"))
            for c in ("mean", "sd", "min", "max")
        ]
        return _Moments(*(float(c.value) for c in cells))

    printed = {name: moments(name) for name in replication.SUB_INDICES.values()}
    return printed | {"index": moments(replication.OUTCOME)}


def _printed_effects() -> dict[str, float]:
    """Return the printed effects on the sub-indices, columns (9) to (12) of Table 5."""
    record = published.load(replication.PAPER)
    return {
        name: float(record.get(replication.cell("table5", replication.TREATMENT, c, "coef")).value)
        for c, name in replication.SUB_INDICES.items()
    }


def _main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit code."""
    description = "Draw simulated indicators whose index has the printed moments."
    return run_command("study.simulated", description, _add_arguments, _run, arguments)


def _add_arguments(parser: argparse.ArgumentParser) -> None:
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


def _run(options: argparse.Namespace) -> int:
    """Draw, report and write; return the exit code."""
    path = options.out or data_dir() / "index" / "simulated.csv"
    frame, tree, targets = Sample.printed().rows, load_tree(), _printed_moments()
    drawn = _simulate_like(tree, frame, targets, _printed_effects(), options.seed)
    matched = frame["matched"].to_numpy() == 1
    logs = np.log(build(drawn, tree, FLAT_MEANS).scores[list(targets)][matched])
    print("SIMULATED indicators; logarithms of the index and its parts on the matched rows:")
    print(logs.agg(["mean", "std", "min", "max"]).T.round(3).to_string())
    content = _indicator_bytes(frame, drawn, _LABEL.format(seed=options.seed))
    if options.check:
        same = path.is_file() and path.read_bytes() == content
        print("the file is what this command writes" if same else "the file would change")
        return 0 if same else 1
    path.write_bytes(content)
    print(f"wrote {path}")
    return 0


if __name__ == "__main__":
    raise SystemExit(_main())
