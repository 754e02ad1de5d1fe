"""The machinery of an executable Jupyter Book: execution, page keys, lineage, reruns, releases.

As a Sphinx extension (``extra_extensions: [bookworks]`` in ``_config.yml``) it loads its parts;
as a command (``bookworks --help``) it runs chapters, reruns, checks and releases.  It knows
nothing of what a book is about.
"""

from __future__ import annotations

from typing import Any

#: The parts that are extensions of their own, in the order in which they are loaded.
_PARTS = """_search _offline _accessible reading _pages _notes _downloads reruns._gallery
_secrets"""


def setup(app: Any) -> dict[str, Any]:
    """Load the parts and name the settings."""
    from bookworks.book import SETTINGS

    for name, (default, _) in SETTINGS.items():
        app.add_config_value(f"bookworks_{name}", default, "env")
    for part in _PARTS.split():
        app.setup_extension(f"bookworks.{part}")
    return {"version": "1", "parallel_read_safe": False, "parallel_write_safe": False}
