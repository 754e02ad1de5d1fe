"""``ftz multiverse``: estimate every specification of a grid, here or on a cluster."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ftz.errors import FtzError

if TYPE_CHECKING:
    import pandas as pd

    from specgrid._grid import Grid
    from userpanel import UserPanel


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--panel", type=Path, help="a panel of your own (default: the witness)")
    parser.add_argument("--spec", type=Path, help="the YAML file that names its columns")
    parser.add_argument(
        "--choices", type=Path, metavar="YAML", help="levels that narrow or widen the grid"
    )
    parser.add_argument(
        "--out",
        type=Path,
        help="folder of the results (default: one a study and library in _build/multiverse)",
    )
    parser.add_argument(
        "--workers", type=int, help="processes on this machine (default: one a core)"
    )
    parser.add_argument(
        "--scheduler", metavar="ADDRESS", help="a running Dask scheduler, tcp://host:port"
    )
    parser.add_argument("--limit", type=int, metavar="N", help="the first N specifications only")
    parser.add_argument("--sample", type=int, metavar="N", help="N specifications at random")
    parser.add_argument("--seed", type=int, default=1, help="of the sample and the permutations")
    parser.add_argument(
        "--permutations",
        type=int,
        metavar="B",
        help="afterwards, B reassignments of adoption paths: the joint test",
    )
    parser.add_argument("--fresh", action="store_true", help="forget what the folder holds")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


def run(options: argparse.Namespace) -> int:
    """Estimate, write, and say where; return the exit code."""
    from specgrid import TABLE
    from specgrid import run as run_grid

    for name in ("limit", "sample", "permutations"):
        given = getattr(options, name)
        if given is not None and given < 1:
            raise FtzError(f"--{name} must be at least 1, not {given}")
    study = _study(options)
    grid = _grid(options, study)
    out = options.out or _default_folder(study)
    print(grid)
    results = run_grid(
        study,
        grid,
        out,
        workers=options.workers,
        scheduler=options.scheduler,
        progress=not options.quiet,
        resume=not options.fresh,
    )
    _report(results)
    print(f"wrote {out / TABLE}")
    if options.permutations:
        _joint(options, study, grid)
    return 0


def _study(options: argparse.Namespace) -> UserPanel:
    import userpanel
    from study import register, replication

    if options.panel is None and options.spec is None:
        return replication.witness_study()
    if options.panel is None or options.spec is None:
        raise FtzError("--panel and --spec go together: a panel, and what its columns are")
    return register.with_codings(userpanel.read_panel(options.panel, options.spec))


def _grid(options: argparse.Namespace, study: UserPanel) -> Grid:
    from specgrid import grid
    from specgrid._grid import Grid

    chosen = grid(study, options.choices)
    if options.sample:
        chosen = chosen.sample(options.sample, options.seed)
    return Grid(chosen.specifications[: options.limit]) if options.limit else chosen


def _default_folder(study: UserPanel) -> Path:
    from specgrid._store import library_hash
    from study.paths import data_dir

    return data_dir().parent / "_build" / "multiverse" / f"{study.digest}-{library_hash()}"


def _report(results: pd.DataFrame) -> None:
    ok = results[results["status"] == "ok"]
    print(f"{len(ok):,} of {len(results):,} specifications have an estimate")
    for reason, count in results.loc[results["status"] != "ok", "status"].value_counts().items():
        print(f"  {count:,}: {reason}")
    for outcome, part in ok.groupby("outcome", sort=False):
        significant = (part["p_value"] < 0.05).mean()
        print(
            f"{outcome}: median {part['estimate'].median():.4f}, from "
            f"{part['estimate'].min():.4f} to {part['estimate'].max():.4f}, "
            f"{significant:.0%} with p < 0.05"
        )


def _joint(options: argparse.Namespace, study: UserPanel, grid: Grid) -> None:
    """Print the joint test over the two-way specifications that can be reassigned."""
    from specgrid.joint import eligible, joint_test

    testable = [s for s in eligible(grid) if s.outcome == study.outcome]
    if not testable:
        raise FtzError("--permutations: no two-way specification of the outcome without matching")
    print(joint_test(study, testable, draws=options.permutations, seed=options.seed))
