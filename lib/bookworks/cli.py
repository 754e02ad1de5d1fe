"""The command ``bookworks``: what editors and students run beside ``jb build``."""

from __future__ import annotations

import importlib
from collections.abc import Mapping

import click

#: Command, the module that holds it as ``command``, and what it does.
COMMANDS: Mapping[str, tuple[str, str]] = {
    "chapter": ("chapter", "execute one chapter on its own"),
    "links": ("links", "check every link inside the built book"),
    "release": ("release", "pack site, sources and notebooks with checksums"),
    "rerun": ("reruns.command", "run chapters anew with other parameters"),
    "students": ("students", "write notebooks without solutions, and a checker"),
}


class _Lazy(click.Group):
    """Imports a command's module only when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command by its name."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"bookworks.{COMMANDS[cmd_name][0]}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, what) for name, (_, what) in COMMANDS.items()])


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Run, check, pack and teach from an executable Jupyter Book."""


if __name__ == "__main__":
    main()
