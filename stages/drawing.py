"""What is drawn on matplotlib's axes for tasks of every kind."""

from functools import cache
from typing import Any

import numpy as np
import pandas as pd

COLOURS = {"actual": "#3b3b3b", "network": "#c8102e", "baseline": "#6b7b8c"}
# For the baselines side by side; red is the network's.
CYCLE = ["#1f77b4", "#2ca02c", "#9467bd", "#8c564b", "#17becf", "#bcbd22", "#7f7f7f", "#e377c2"]
LONGEST = 110


def shown(text: str, longest: int = LONGEST) -> str:
    """Returns `text` as a picture shows it: characters that cannot be seen, or that its font lacks,
    as escapes.

    There is one font, which comes with matplotlib: with a machine's own fonts, each machine would
    draw another picture.
    """
    glyphs = _glyphs()
    text = text if len(text) <= longest else text[: longest - 1] + "…"
    return "".join(
        character
        if ord(character) in glyphs and character.isprintable()
        else character.encode("unicode_escape").decode("ascii")
        for character in text
    )


@cache
def _glyphs() -> frozenset[int]:
    from matplotlib import font_manager, ft2font

    return frozenset(ft2font.FT2Font(font_manager.findfont("DejaVu Sans")).get_charmap())


def make_logarithmic(axes: Any) -> None:
    """Makes the vertical axis logarithmic, with plain numbers at its ticks, if it has a number
    above 0."""
    from matplotlib.ticker import LogLocator

    if not np.isfinite(axes.dataLim.minposy):
        return

    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 3.0, 5.0)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter("")


def draw_learning_curve(axes: Any, curve: pd.DataFrame, best_epochs: list[int]) -> None:
    """Draws `train` and `validation` over `epoch`, one line for each `member`, and marks the epochs
    whose weights were kept."""
    for (member, rows), best in zip(curve.groupby("member"), best_epochs, strict=True):
        labels = ("train", "validation", "kept") if member == 1 else (None, None, None)
        epochs, validation = rows["epoch"], rows["validation"]
        axes.plot(epochs, rows["train"], color=COLOURS["baseline"], label=labels[0])
        axes.plot(epochs, validation, color=COLOURS["network"], label=labels[1])
        kept = validation[epochs == best].iloc[0]
        axes.plot(best, kept, "o", color=COLOURS["actual"], markersize=4, label=labels[2])
    make_logarithmic(axes)
    axes.set_xlabel("epoch")
    axes.legend(frameon=False)


def draw_methods(
    axes: Any,
    table: pd.DataFrame,
    x: str,
    y: str,
    x_label: str,
    y_label: str,
    *,
    logarithmic: bool = False,
    marker: str | None = None,
) -> None:
    """Draws the column `y` over `x` for each `method`; the network is `model`, the retrained ones
    are `refitted`."""
    axes.set_prop_cycle(color=CYCLE)
    strong: Any = {"color": COLOURS["network"], "linewidth": 2, "zorder": 3}
    networks = {
        "model": {"label": "network", **strong},
        "refitted": {"label": "refitted network", "linestyle": "dashed", **strong},
    }
    for method, rows in table.groupby("method", sort=False):
        other = {"label": shown(str(method), 40), "linewidth": 1}
        axes.plot(rows[x], rows[y], marker=marker, markersize=4, **networks.get(method, other))
    if logarithmic:
        make_logarithmic(axes)
    axes.set_xlabel(shown(x_label))
    axes.set_ylabel(shown(y_label))
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
