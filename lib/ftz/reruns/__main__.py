"""``python -m ftz.reruns``: run chapters anew with other parameters."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ftz.commands import run_command
from ftz.errors import FtzError

if TYPE_CHECKING:
    from ftz.reruns.declared import Run


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit code."""
    description = "Run chapters anew with the parameters that reruns/*.yml declare."
    return run_command("ftz.reruns", description, add_arguments, run, arguments)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument(
        "files",
        nargs="*",
        type=Path,
        metavar="FILE.yml",
        help="declarations (default: reruns/*.yml)",
    )
    parser.add_argument("--only", nargs="+", metavar="NAME", help="only the runs of these names")
    parser.add_argument(
        "--chapter", metavar="CHAPTER", help="run this chapter, with -p; no FILE.yml"
    )
    parser.add_argument(
        "-p",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a parameter of --chapter; again for the next one",
    )
    parser.add_argument("--name", default="", help="what the run of --chapter is called")
    parser.add_argument("--timeout", type=float, help="seconds for the run of --chapter")
    parser.add_argument(
        "--out", type=Path, help="folder for runs and logs (default: _build/reruns)"
    )
    parser.add_argument("--workers", type=int, help="runs at a time (default: cores)")
    parser.add_argument("--force", action="store_true", help="also what is up to date")
    parser.add_argument(
        "--list", action="store_true", help="run nothing; list parameters and declared runs"
    )
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


def run(options: argparse.Namespace) -> int:
    """List or execute; return 0, 1 if a run failed, or 130 if it was interrupted."""
    if options.list:
        _list(options)
        return 0
    from ftz.reruns.runner import FAILED, execute

    runs = _chosen(options)
    try:
        outcomes = execute(
            runs,
            options.out,
            workers=options.workers,
            force=options.force,
            progress=not options.quiet,
        )
    except KeyboardInterrupt:
        print("\ninterrupted; finished runs are kept", file=sys.stderr)
        return 130
    for outcome in outcomes:
        print(outcome)
    failed = sum(outcome.status == FAILED for outcome in outcomes)
    executed = sum(outcome.status == "executed" for outcome in outcomes)
    rest = len(outcomes) - failed - executed
    print(f"{len(outcomes)} runs: {executed} executed, {rest} up to date, {failed} failed")
    return 1 if failed else 0


def _chosen(options: argparse.Namespace) -> list[Run]:
    from ftz.reruns import declared

    if options.chapter:
        if options.files or options.only:
            raise FtzError("--chapter runs one chapter: leave out FILE.yml and --only")
        timeout = declared.TIMEOUT if options.timeout is None else options.timeout
        given = _assignments(options.p)
        return [
            declared.adhoc(
                options.chapter, given, name=options.name, timeout=timeout, folder=Path.cwd()
            )
        ]
    if options.p or options.name or options.timeout is not None:
        raise FtzError("-p, --name and --timeout belong to --chapter")
    runs = declared.read_declarations(options.files or declared.declarations())
    if options.only:
        return _only(runs, options.only)
    if not runs:
        raise FtzError("no run is declared: write a file into reruns/, or use --chapter")
    return runs


def _only(runs: list[Run], names: Sequence[str]) -> list[Run]:
    from ftz.reruns.grammar import _near

    known = [run.name for run in runs]
    unknown = [f"no run {name!r}{_near(name, known)}" for name in names if name not in known]
    if unknown:
        raise FtzError(f"{'; '.join(unknown)}; there are {', '.join(known) or 'none'}")
    return [run for run in runs if run.name in names]


def _assignments(pairs: Sequence[str]) -> dict[str, object]:
    """Read ``name=value`` pairs; values are read as in a YAML file."""
    import yaml

    given: dict[str, object] = {}
    for pair in pairs:
        name, sign, text = pair.partition("=")
        if not sign or not name.strip():
            raise FtzError(f"-p {pair!r}: write -p name=value")
        if name.strip() in given:
            raise FtzError(f"-p {pair!r}: {name.strip()} is given twice")
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError:
            value = text
        given[name.strip()] = "" if value is None else value
    return given


def _list(options: argparse.Namespace) -> None:
    from ftz.reruns import declared
    from ftz.reruns.chapters import all_chapters, find
    from ftz.reruns.records import Record, default_folder, digest, state

    chosen = [find(options.chapter)] if options.chapter else all_chapters().values()
    for chapter in chosen:
        try:
            lines = [f"  {parameter}" for parameter in chapter.parameters]
        except FtzError as error:  # one chapter's fault does not hide the others
            lines = [f"  {line}" for line in str(error).splitlines()]
        if lines:
            print("\n".join([chapter.name, *lines]))
    files = options.files or declared.declarations()
    base, now = options.out or default_folder(), state()
    for run in declared.read_declarations(files) if not options.chapter else ():
        record = Record.read(base / "runs" / run.name)
        fresh = record is not None and record.digest == digest(run, now)
        word = "up to date" if fresh else "stale" if record else "to be run"
        print(f"{run.group}.yml: {run.name}: {word}")


if __name__ == "__main__":
    raise SystemExit(main())
