"""Pictures of plots, drawn to the same bytes from the same numbers."""

import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from stages.files.writing import whole

COLOURS = {"actual": "#3b3b3b", "model": "#c8102e", "baseline": "#6b7b8c"}
# For the baselines side by side; red is the network's.
CYCLE = ["#1f77b4", "#2ca02c", "#9467bd", "#8c564b", "#17becf", "#bcbd22", "#7f7f7f"]


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
LONGEST = 110


def _draw(path: Path, title: str, draw: Callable[[Any], None]) -> None:
    # matplotlib reads it when it is imported, and fails on a name that it does not know.
    os.environ["MPLBACKEND"] = "agg"
    import matplotlib
    from matplotlib.figure import Figure

    # A user's own `matplotlibrc` changes nothing.
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)
        figure = Figure(figsize=(7.2, 3.2), layout="constrained")
        axes = figure.subplots()
        draw(axes)
        axes.set_title(shown(title), loc="left")
        with whole(path) as part:
            # Without the version of matplotlib, which the file would otherwise hold.
            figure.savefig(part, dpi=110, metadata={"Software": None})


def shown(text: str, longest: int = LONGEST) -> str:
    """Returns `text` as a picture shows it: characters that cannot be seen, or that its font lacks,
    as escapes.

    There is one font, which comes with matplotlib: with a machine's own fonts, each machine would
    draw another picture.
    """
    glyphs = _glyphs()
    text = text if len(text) <= longest else text[: longest - 1] + "…"
    return "".join(
        one
        if ord(one) in glyphs and one.isprintable()
        else one.encode("unicode_escape").decode("ascii")
        for one in text
    )


@cache
def _glyphs() -> frozenset[int]:
    from matplotlib import font_manager, ft2font

    return frozenset(ft2font.FT2Font(font_manager.findfont("DejaVu Sans")).get_charmap())


def _logarithmic(axes: Any) -> None:
    """Makes the vertical axis logarithmic, with plain numbers at its ticks, if it has a number
    above 0."""
    from matplotlib.ticker import LogLocator

    if not np.isfinite(axes.dataLim.minposy):
        return

    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 3.0, 5.0)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter("")


def learning_curve(path: Path, curve: pd.DataFrame, best_epochs: list[int], title: str) -> None:
    """Draws `train` and `validation` over `epoch`, a line for each `member`, and marks the epochs
    whose weights were kept."""

    def draw(axes: Any) -> None:
        for (member, rows), best in zip(curve.groupby("member"), best_epochs, strict=True):
            first = member == 1
            axes.plot(
                rows["epoch"],
                rows["train"],
                color=COLOURS["baseline"],
                label="train" if first else None,
            )
            axes.plot(
                rows["epoch"],
                rows["validation"],
                color=COLOURS["model"],
                label="validation" if first else None,
            )
            axes.plot(
                best,
                rows["validation"].iloc[best - 1],
                "o",
                color=COLOURS["actual"],
                markersize=4,
                label="kept" if first else None,
            )
        _logarithmic(axes)
        axes.set_xlabel("epoch")
        axes.legend(frameon=False)

    _draw(path, title, draw)


def curve(
    path: Path,
    table: pd.DataFrame,
    x: str,
    y: str,
    x_label: str,
    y_label: str,
    logarithmic: bool,
    title: str,
) -> None:
    """Draws the column `y` over `x` for each `method`; the network is `model`."""

    def draw(axes: Any) -> None:
        axes.set_prop_cycle(color=CYCLE)
        for method, rows in table.groupby("method", sort=False):
            strong = (
                {"color": COLOURS["model"], "linewidth": 2, "zorder": 3}
                if method == "model"
                else {"linewidth": 1}
            )
            axes.plot(
                rows[x],
                rows[y],
                label="network" if method == "model" else shown(method, 40),
                **strong,
            )
        if logarithmic:
            _logarithmic(axes)
        axes.set_xlabel(shown(x_label))
        axes.set_ylabel(shown(y_label))
        axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))

    _draw(path, title, draw)


def bars(path: Path, rows: pd.DataFrame, title: str) -> None:
    """Draws the `probability` of each `token` for the first `prompt`."""

    def draw(axes: Any) -> None:
        first = rows[rows["prompt"] == rows["prompt"].iloc[0]].iloc[::-1]
        places = np.arange(len(first))
        axes.barh(places, first["probability"], color=COLOURS["model"])
        axes.set_yticks(places, [shown(token, 40) for token in first["token"]])
        axes.set_xlabel("probability of the next token")

    _draw(path, title, draw)


def forecast(path: Path, rows: pd.DataFrame, title: str) -> None:
    """Draws `actual`, then `mean` with both intervals, over `time`."""

    def draw(axes: Any) -> None:
        known, coming = rows[rows["actual"].notna()], rows[rows["mean"].notna()]
        axes.plot(
            known["time"], known["actual"], color=COLOURS["actual"], linewidth=1, label="known"
        )
        axes.plot(
            coming["time"],
            coming["mean"],
            color=COLOURS["model"],
            label="forecast",
            marker="o" if len(coming) == 1 else None,
        )
        for level, strength in ((95, 0.15), (80, 0.3)):
            low, high = (coming[f"{side}_{level}"].to_numpy(float) for side in ("lower", "upper"))
            bounded = np.isfinite(low) & np.isfinite(high)
            if bounded.any():
                axes.fill_between(
                    coming["time"], low, high, where=bounded, color=COLOURS["model"], alpha=strength, linewidth=0,
                    label=f"{level} % interval",
                )  # fmt: skip
        axes.legend(frameon=False)

    _draw(path, title, draw)
