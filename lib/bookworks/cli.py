"""The command ``bookworks``: what editors and students run beside ``jb build``."""

from __future__ import annotations

import click

from bookworks import _execution, _links, _release, _students
from bookworks.reruns import _command

_MODULES = (_execution, _links, _release, _command, _students)


@click.group(
    commands=[module.command for module in _MODULES],
    context_settings={"help_option_names": ["-h", "--help"]},
)
def main() -> None:
    """Run, check, pack and teach from an executable Jupyter Book."""


if __name__ == "__main__":
    main()
