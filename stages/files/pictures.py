"""Pictures, drawn to the same bytes from the same numbers."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from stages.drawing import shown
from stages.files.writing import whole

# Besides matplotlib's defaults. Nothing is a formula: names and tokens are shown as they are
# written.
STYLE: Any = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "text.parse_math": False,
    "agg.path.chunksize": 20_000,  # Agg gives up on longer lines
}


def write(path: Path, title: str, *draws: Callable[[Any], None]) -> None:
    """Writes a picture of what each of `draws` draws on axes of its own, one below the other."""
    # matplotlib reads it when it is imported, and fails on a name that it does not know.
    os.environ["MPLBACKEND"] = "agg"
    import matplotlib
    from matplotlib.figure import Figure

    # A user's own `matplotlibrc` changes nothing.
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)
        figure = Figure(figsize=(7.2, 1.2 + 2 * len(draws)), layout="constrained")
        rows = figure.subplots(len(draws), squeeze=False)[:, 0]
        for axes, draw in zip(rows, draws, strict=True):
            draw(axes)
        if len(draws) == 1:
            rows[0].set_title(shown(title), loc="left")
        else:
            figure.suptitle(shown(title), x=0.01, horizontalalignment="left")
        with whole(path) as temporary:
            # Without the version of matplotlib, which the file would otherwise hold.
            figure.savefig(temporary, dpi=110, metadata={"Software": None})
