"""``python -m study.witness``: build witness panels, one or many, and say what they meet."""

from __future__ import annotations

import argparse
from pathlib import Path

from study._commands import run_command
from study.panel import WITNESSES
from study.paths import data_dir
from study.replication import READINGS
from study.witness._files import check, panel_bytes, write
from study.witness._stages import SEED, Witness, build


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit code."""
    description = "Construct panels on which the book's estimators return the printed tables."
    return run_command("study.witness", description, add_arguments, run, arguments)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument(
        "--seed", type=int, default=None, help=f"starting point (default: {SEED}; ensemble: 1)"
    )
    parser.add_argument(
        "--reading",
        choices=READINGS,
        default=READINGS[0],
        help="reading of Tables 4 and 5 that the panel returns (default: %(default)s)",
    )
    parser.add_argument(
        "--out", type=Path, default=None, help="folder to write to (default: data/witness)"
    )
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 if the file would change"
    )
    parser.add_argument(
        "--ensemble",
        type=int,
        metavar="N",
        help="draw N witnesses from dispersed starts into --out (default: _build/witness/...); "
        "a killed run goes on where it stopped",
    )
    parser.add_argument(
        "--workers", type=int, default=None, help="processes for the ensemble (default: cores)"
    )
    parser.add_argument(
        "--fixed-covariates",
        "--anchors",  # what it was called before
        type=Path,
        metavar="CSV",
        help="official controls of the matched city-years; only the outcome is solved for",
    )
    parser.add_argument(
        "--ranges", action="store_true", help="move each unprinted quantity as far as it goes"
    )
    parser.add_argument(
        "--readings", action="store_true", help="search for panels under each reading of Table 4"
    )
    parser.add_argument(
        "--coverage", type=int, metavar="N", help="test the search on N simulated studies"
    )
    parser.add_argument(
        "--within-city",
        type=int,
        metavar="N",
        help="grow N panels on which Table 4 is pooled and push their within-city effect; "
        "a killed run goes on where it stopped",
    )
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


def run(options: argparse.Namespace) -> int:
    """Build, check and write; return the exit code."""
    if options.ensemble is not None:
        return _ensemble(options)
    if options.fixed_covariates is not None:
        return _anchored(options)
    if options.within_city is not None:
        return _within_city(options)
    if options.ranges or options.readings or options.coverage is not None:
        return _tables(options)
    folder = options.out or data_dir() / "witness"
    witness = _built(options)
    _report(witness)
    if options.check:
        same = (folder / WITNESSES[options.reading]).read_bytes() == panel_bytes(witness.frame)
        print("the file is what this command writes" if same else "the file would change")
        return 0 if same else 1
    for path in write(witness, folder):
        print(f"wrote {path}")
    return 0


def _built(options: argparse.Namespace) -> Witness:
    if options.reading == "one command":
        from study.witness import _one_command as one_command

        return one_command.build(one_command.START if options.seed is None else options.seed)
    return build(SEED if options.seed is None else options.seed)


def _report(witness: Witness) -> None:
    compared = check(witness.frame, witness.reading)
    wanted = compared[compared["asked"]]
    for table, part in wanted.groupby("table"):
        met = int((part["verdict"] == "reproduced").sum())
        print(f"{table}: {met} of {len(part)} printed cells reproduced")


def _ensemble(options: argparse.Namespace) -> int:
    from study.witness import _ensemble as ensemble

    seed = 1 if options.seed is None else options.seed
    default = data_dir().parent / "_build" / "witness" / f"seed-{seed}"
    path = ensemble.run(
        options.ensemble,
        seed,
        options.out or default,
        workers=options.workers,
        progress=not options.quiet,
    )
    print(f"wrote {path} and {path.parent / 'panels.csv.gz'}")
    return 0


def _tables(options: argparse.Namespace) -> int:
    """Write what a search finds: ranges, readings, coverage."""
    from printproof.witness import coverage
    from study.witness import _conventions
    from study.witness import _ranges as ranges

    folder = options.out or data_dir() / "witness"
    folder.mkdir(parents=True, exist_ok=True)
    workers, progress = options.workers, not options.quiet
    if options.ranges:
        ranges.run(folder / "ranges.csv", workers=workers, progress=progress)
        print(f"wrote {folder / 'ranges.csv'}")
    if options.readings:
        _conventions.run(folder / "readings.csv", workers=workers, progress=progress)
        print(f"wrote {folder / 'readings.csv'}")
    if options.coverage is not None:
        path = folder / "coverage.csv"
        found = coverage.run(options.coverage, path=path, workers=workers, progress=progress)
        print(f"wrote {path}: {int(found['inside'].sum())} of {len(found)} true values inside")
    return 0


def _within_city(options: argparse.Namespace) -> int:
    from study.witness import _within_city as within_city

    seed = 1 if options.seed is None else options.seed
    path = within_city.run(
        options.within_city,
        seed,
        data_dir().parent / "_build" / "witness" / f"within-city-{seed}",
        options.out or data_dir() / "witness",
        workers=options.workers,
        progress=not options.quiet,
    )
    print(f"wrote {path} and {path.with_name(within_city.FILES[1])}")
    return 0


def _anchored(options: argparse.Namespace) -> int:
    from study.witness import _fixed_covariates

    seed = SEED if options.seed is None else options.seed
    frame = _fixed_covariates.build(_fixed_covariates.read(options.fixed_covariates), seed=seed)
    folder = options.out or data_dir().parent / "_build" / "witness" / "anchored"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "panel.csv"
    path.write_bytes(panel_bytes(frame))
    print(f"wrote {path}: controls as given, outcomes constructed")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
