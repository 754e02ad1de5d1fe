"""``bookworks rerun``: run chapters anew with other parameters."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import yaml

from bookworks._errors import BookError, near
from bookworks.book import Book
from bookworks.reruns import _declared as declared
from bookworks.reruns._records import Record, default_folder

_PATH: Any = click.Path(path_type=Path)
_ABOVE = click.FloatRange(0, min_open=True)


@click.command("rerun")
@click.argument("files", nargs=-1, type=_PATH, metavar="[FILE.yml]...")
@click.option("--only", multiple=True, metavar="NAME", help="Only this run; again for the next.")
@click.option("--chapter", default="", help="Run this chapter, with -p; no FILE.yml.")
@click.option("-p", "pairs", multiple=True, metavar="NAME=VALUE", help="Of --chapter; repeatable.")
@click.option("--name", default="", help="What the run of --chapter is called.")
@click.option("--timeout", type=_ABOVE, help="Seconds for the run of --chapter (600).")
@click.option("--out", type=_PATH, help="Folder for runs and logs (_build/reruns).")
@click.option("--workers", type=click.IntRange(1), help="Runs at a time (cores).")
@click.option("--force", is_flag=True, help="Also what is up to date.")
@click.option("--list", "listed", is_flag=True, help="Run nothing; list parameters and runs.")
@click.option("--quiet", is_flag=True, help="No progress bar.")
@click.pass_context
def command(context: click.Context, /, files: Sequence[Path], chapter: str, **said: Any) -> None:
    """Run chapters anew with the parameters that FILE.yml (reruns/*.yml) declare."""
    book = Book.find()
    folder = said["out"] or default_folder(book)
    if chapter and (files or said["only"]):
        raise BookError("--chapter runs one chapter: leave out FILE.yml and --only")
    if not chapter and (said["pairs"] or said["name"] or said["timeout"]):
        raise BookError("-p, --name and --timeout belong to --chapter")
    if said["listed"]:
        return _list(book, files, chapter, folder)
    if chapter:
        given, timeout = _given(said["pairs"]), said["timeout"] or 600
        runs = [declared.adhoc(book, chapter, given, said["name"], timeout)]
    else:
        runs = _chosen(declared.read(book, files or declared.declarations(book)), said["only"])
    from bookworks.reruns._runner import DONE, FAILED, KEPT, execute

    try:
        outcomes = execute(runs, folder, said["workers"] or 0, said["force"], not said["quiet"])
    except KeyboardInterrupt:
        click.echo("\ninterrupted; finished runs are kept", err=True)
        context.exit(130)
    counts = {s: sum(o.status == s for o in outcomes) for s in (DONE, KEPT, FAILED)}
    click.echo("\n".join(map(str, outcomes)))
    click.echo(f"{len(runs)} runs: {', '.join(f'{n} {s}' for s, n in counts.items())}")
    context.exit(1 if counts[FAILED] else 0)


def _chosen(runs: list[declared.Run], only: Sequence[str]) -> list[declared.Run]:
    known = [run.name for run in runs]
    unknown = [f"no run {name!r}{near(name, known)}" for name in only if name not in known]
    if unknown:
        raise BookError(f"{'; '.join(unknown)}; there are {', '.join(known) or 'none'}")
    if not runs:
        raise BookError("no run is declared: write a file into reruns/, or use --chapter")
    return [run for run in runs if run.name in (only or known)]


def _given(pairs: Sequence[str]) -> dict[str, object]:
    """Read ``name=value`` pairs; values are read as in a YAML file."""
    given: dict[str, object] = {}
    for pair in pairs:
        name, sign, text = (part.strip() for part in pair.partition("="))
        if not (sign and name):
            raise BookError(f"-p {pair!r}: write -p name=value")
        if name in given:
            raise BookError(f"-p {pair!r}: {name} is given twice")
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError:
            value = text
        given[name] = "" if value is None else value
    return given


def _list(book: Book, files: Sequence[Path], chapter: str, folder: Path) -> None:
    for one in [declared.find(book, chapter)] if chapter else declared.chapters(book).values():
        try:
            lines = list(map(str, one.parameters))
        except BookError as error:  # one chapter's fault does not hide the others
            lines = str(error).splitlines()
        if lines:
            click.echo("\n  ".join([one.name, *lines]))
    for run in declared.read(book, files or declared.declarations(book)) if not chapter else ():
        record = Record.read(folder / "runs" / run.name)
        word = "to be run" if record is None else "up to date" if record.fits(run) else "stale"
        click.echo(f"{run.group}.yml: {run.name}: {word}")
