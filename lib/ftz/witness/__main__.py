"""``python -m ftz.witness``: build the witness panel, write it, say what it meets."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ftz.errors import FtzError
from ftz.paths import data_dir
from ftz.witness import SEED, build, check, panel_bytes, write


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m ftz.witness",
        description="Construct a panel on which the book's estimators return the printed tables.",
    )
    add_arguments(parser)
    return run(parser.parse_args(arguments))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument(
        "--seed", type=int, default=SEED, help="starting point (default: %(default)s)"
    )
    parser.add_argument(
        "--out", type=Path, default=None, help="folder to write to (default: data/witness)"
    )
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 if the file would change"
    )


def run(options: argparse.Namespace) -> int:
    """Build, check and write; return the exit code."""
    folder = options.out or data_dir() / "witness"
    try:
        witness = build(options.seed)
    except FtzError as error:
        print(f"ftz.witness: {error}", file=sys.stderr)
        return 2
    compared = check(witness.frame)
    wanted = compared[compared["asked"]]
    for table, part in wanted.groupby("table"):
        met = int((part["verdict"] == "reproduced").sum())
        print(f"{table}: {met} of {len(part)} printed cells reproduced")
    if options.check:
        same = (folder / "panel.csv").read_bytes() == panel_bytes(witness.frame)
        print("the file is what this command writes" if same else "the file would change")
        return 0 if same else 1
    for path in write(witness, folder):
        print(f"wrote {path}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
