"""The command ``ftz audit import``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from printproof.errors import RecordError

_KINDS = {"errors": "se", "t": "t", "z": "z", "p": "p", "unknown": "unknown"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.description = (
        "Read printed tables and write the record that `ftz audit` reads, for a person to "
        "compare with the print.  What is not understood is an error with line and column, "
        "and nothing is written."
    )
    parser.add_argument(
        "file",
        metavar="FILE",
        help="LaTeX, HTML, CSV, Excel (.xlsx) or pasted text (tabs, pipes, runs of spaces); "
        "- for standard input",
    )
    parser.add_argument("--table", type=int, metavar="N", help="only the file's Nth table")
    for option, bracket in (("parens", "( )"), ("brackets", "[ ]"), ("braces", "{ }")):
        parser.add_argument(
            f"--{option}",
            choices=_KINDS,
            help=f"what stands in {bracket} below coefficients; default: what a note says",
        )
    parser.add_argument(
        "--decimal", choices=(".", ","), help="the decimal mark, where commas leave it open"
    )
    parser.add_argument("--encoding", help="if not UTF-8, UTF-16 or GB18030")
    parser.add_argument("--name", default="", help="key of the paper; default: the file's name")
    parser.add_argument(
        "--out", type=Path, metavar="FILE.yml", help="where to write; default: standard output"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Import and write; return the exit code."""
    from printproof.importing import import_tables

    named = {"parens": "parentheses", "brackets": "brackets", "braces": "braces"}
    given = {key: getattr(options, option) for option, key in named.items()}
    pasted = options.file == "-"
    try:
        data = sys.stdin.buffer.read() if pasted else Path(options.file).read_bytes()
    except OSError as error:
        raise RecordError(f"{options.file}: cannot be read ({error.strerror})") from None
    text = import_tables(
        data,
        "pasted" if pasted else options.file,
        table=options.table,
        told={key: _KINDS[kind] for key, kind in given.items() if kind},
        decimal=options.decimal,
        encoding=options.encoding,
        name=options.name,
    )
    if options.out:
        options.out.write_text(text, "utf-8")
        print(f"wrote {options.out}: compare it with the print", file=sys.stderr)
    else:
        sys.stdout.write(text)
    return 0
