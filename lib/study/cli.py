"""The command ``ftz``: what the book does, from a shell."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ftz.errors import FtzError
from study._commands import BAD_INPUT, ERRORS

if TYPE_CHECKING:
    from printproof import Study

_OK = 0


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    given = given[1:] if given[:1] == ["audit"] and given[1:2] in _SUBCOMMANDS else given
    options = _parser(given).parse_args(given)
    command: Callable[[argparse.Namespace], int] = options.run
    try:
        return command(options)
    except ERRORS as error:
        print(f"ftz {options.command}: {error}", file=sys.stderr)
        return BAD_INPUT
    except BrokenPipeError:  # `ftz audit | head`
        sys.stderr.close()
        return _OK


def _parser(arguments: list[str]) -> argparse.ArgumentParser:
    """Return the parser; only the command that is called brings its options and imports."""
    parser = argparse.ArgumentParser(
        prog="ftz",
        description=(
            "Check and run your own panel, estimate every specification, audit printed tables, "
            "build panels that reproduce them."
        ),
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    called = next((word for word in arguments if not word.startswith("-")), None)
    for name, (text, fill) in COMMANDS.items():
        command = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        if name == called:
            fill(command)
    return parser


# --- printed tables ---------------------------------------------------------------------------


def _printed_parser(name: str) -> Callable[[argparse.ArgumentParser], None]:
    """Return what fills a parser with a command of the audit, which is imported only then."""

    def fill(parser: argparse.ArgumentParser) -> None:
        from printproof.__main__ import COMMANDS as PRINTED

        PRINTED[name][1](parser)
        parser.set_defaults(studies=_five_papers)
        if [name] in _SUBCOMMANDS:
            parser.prog = f"ftz audit {name}"
            parser.set_defaults(command=f"audit {name}")

    return fill


def _five_papers() -> list[Study]:
    from study import published

    return published.studies()


# --- witness ----------------------------------------------------------------------------------


def _witness_parser(parser: argparse.ArgumentParser) -> None:
    from study.witness.__main__ import add_arguments, run

    add_arguments(parser)
    parser.set_defaults(run=run)


# --- a reader's own panel ---------------------------------------------------------------------


def _panel_arguments(parser: argparse.ArgumentParser) -> None:
    """Add a panel and its spec, which may stand after it or behind ``--spec``."""
    parser.add_argument(
        "panel", type=Path, metavar="PANEL", help="CSV, Parquet, Excel (.xlsx) or Stata (.dta) file"
    )
    parser.add_argument(
        "spec",
        nargs="?",
        default=argparse.SUPPRESS,
        metavar="SPEC.yml",
        help="which column plays which part; `--spec SPEC.yml` means the same",
    )
    parser.add_argument("--spec", type=Path, help=argparse.SUPPRESS)


def _spec(options: argparse.Namespace) -> Path:
    if options.spec is None:
        panel = options.panel
        raise FtzError(
            f"no spec: write `ftz {options.command} {panel} SPEC.yml`, and `ftz new-panel {panel}` "
            "for a proposal"
        )
    return Path(options.spec)


def _check_parser(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Say everything that is wrong with a panel and its spec, in words, with rows; exit with "
        "2 if it cannot be used.  What is only thin is remarked on."
    )
    _panel_arguments(parser)
    parser.set_defaults(run=_check)


def _check(options: argparse.Namespace) -> int:
    import userpanel

    problems, study = userpanel.check(options.panel, _spec(options))
    for problem in problems:
        stream = sys.stderr if problem.fatal else sys.stdout
        print(f"{'wrong' if problem.fatal else 'note'}  {problem}", file=stream)
    if study is None:
        count = sum(problem.fatal for problem in problems)
        print(f"{count} problem{'s' if count > 1 else ''}: not usable", file=sys.stderr)
        return BAD_INPUT
    if len(study.frame) > userpanel.TRIED_UP_TO:
        most = f"{userpanel.TRIED_UP_TO:,}"
        print(f"note  sections are not tried on more than {most} rows by this command")
    for section, reason in (
        userpanel.missing(study) if len(study.frame) <= userpanel.TRIED_UP_TO else {}
    ).items():
        if section not in userpanel.VARIANTS:
            print(f"note  the book will leave out {section}: {reason}")
    print(f"usable: {study}")
    return _OK


def _report_parser(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Write tables (Word, LaTeX, CSV), figures (SVG, PDF, PNG) and one summary page (HTML, "
        "PDF) of your panel.  What cannot be computed is a line with its reason."
    )
    _panel_arguments(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="of the report")
    parser.set_defaults(run=_report)


def _report(options: argparse.Namespace) -> int:
    from userpanel.report import report

    page = report(options.panel, _spec(options), options.out, progress=sys.stderr.isatty())
    print(f"the report of your panel: {page}")
    return _OK


def _new_panel_parser(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Look at a panel's file, propose a part for its columns, each with the reason, and write "
        "the spec beside it.  Of a folder: write panel.csv with the columns of the example spec "
        "and one filled-in row, and spec.yml with every key explained."
    )
    parser.add_argument(
        "folder", nargs="?", type=Path, default=Path(), help="a file, or a folder; default: here"
    )
    parser.add_argument("--spec", type=Path, metavar="SPEC.yml", help="where to write the proposal")
    parser.add_argument(
        "--full", action="store_true", help="all rows of the simulated example, ready to run"
    )
    parser.add_argument("--force", action="store_true", help="overwrite files that are there")
    parser.set_defaults(run=_new_panel)


def _new_panel(options: argparse.Namespace) -> int:
    import userpanel

    if options.folder.is_file() or options.folder.suffix in userpanel.READERS:
        target = options.spec or options.folder.with_suffix(".yml")
        target = userpanel.write_proposal(options.folder, target)
        print(target.read_text("utf-8"), end="")
        print(f"wrote {target}: confirm each line", file=sys.stderr)
        return _OK
    rows = None if options.full else 1
    for path in userpanel.write_template(options.folder, rows=rows, force=options.force):
        print(f"wrote {path}")
    return _OK


def _book_parser(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Run the computed chapters on your panel and write the book of it.  What the panel "
        "cannot fill is left out, with the reason in its place."
    )
    _panel_arguments(parser)
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("_build/own"),
        metavar="FOLDER",
        help="for sources and pages; default: _build/own",
    )
    parser.set_defaults(run=_book)


def _book(options: argparse.Namespace) -> int:
    from userpanel.book import build

    page = build(options.panel, _spec(options), options.out)
    print(f"the book of your panel: {page}")
    return _OK


# --- many runs --------------------------------------------------------------------------------


def _multiverse_parser(parser: argparse.ArgumentParser) -> None:
    from study._multiverse import add_arguments, run

    add_arguments(parser)
    parser.set_defaults(run=run)


#: What may also follow ``ftz audit``.
_SUBCOMMANDS = (["import"], ["explain"])
#: Name of a command to what it does in a line, and what adds its options.
COMMANDS: dict[str, tuple[str, Callable[[argparse.ArgumentParser], None]]] = {
    "check": ("say everything that is wrong with a panel and its spec", _check_parser),
    "new-panel": ("write a template of a panel and its spec", _new_panel_parser),
    "report": ("write tables, figures and a summary of your own panel", _report_parser),
    "book": ("make the book of your own panel", _book_parser),
    "multiverse": ("estimate every defensible specification at once", _multiverse_parser),
    "audit": (
        "decide which printed numbers can all be true together",
        _printed_parser("check"),
    ),
    "import": ("write the record of printed tables, for `ftz audit`", _printed_parser("import")),
    "explain": ("tell everything about one printed cell", _printed_parser("explain")),
    "verify": (
        "check certificates of impossibility by a program of their own",
        _printed_parser("verify"),
    ),
    "witness": ("build panels that reproduce printed tables", _witness_parser),
}


if __name__ == "__main__":
    raise SystemExit(main())
