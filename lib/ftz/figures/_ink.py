"""Words on a coloured ground."""

from __future__ import annotations

import matplotlib as mpl
from matplotlib.typing import ColorType

from ftz.figures.style import INK


def ink_on(colour: ColorType) -> str:
    """Return white or the book's ink, whichever is easier to read on a colour."""
    light = [
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4
        for c in mpl.colors.to_rgb(colour)
    ]
    luminance = 0.2126 * light[0] + 0.7152 * light[1] + 0.0722 * light[2]
    return "white" if luminance < 0.21 else INK
