"""The command ``bookworks``: what editors and students run beside ``jb build``."""

from __future__ import annotations

import importlib
from collections.abc import Mapping

import click

from bookworks._errors import BookError

#: Command, and the module that holds it as ``command``.
COMMANDS: Mapping[str, str] = {
    "chapter": "_execution",
    "links": "_links",
    "release": "_release",
    "rerun": "reruns._command",
    "students": "_students",
}


class _Lazy(click.Group):
    """Imports a command's module only when it is called, or all are listed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"bookworks.{COMMANDS[cmd_name]}").command
        return command

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # whoever reads has seen enough
            raise
        except OSError as error:  # a full disk, a folder that is gone, what nobody may read
            raise BookError(f"{error.filename or 'here'}: {error.strerror}") from None


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Run, check, pack and teach from an executable Jupyter Book."""


if __name__ == "__main__":
    main()
