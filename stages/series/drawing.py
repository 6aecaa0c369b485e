"""What is drawn of series on matplotlib's axes."""

from typing import Any

import numpy as np
import pandas as pd

from stages.drawing import COLOURS, draw_methods

# How pictures spell scores.
SHOWN = {"mae": "MAE", "rmse": "RMSE", "mase": "MASE", "smape": "sMAPE"}


def draw_forecast(axes: Any, table: pd.DataFrame) -> None:
    """Draws `actual`, then `mean` with both intervals, over `time`."""
    known, coming = table[table["actual"].notna()], table[table["mean"].notna()]
    axes.plot(known["time"], known["actual"], color=COLOURS["actual"], linewidth=1, label="known")
    axes.plot(
        coming["time"],
        coming["mean"],
        color=COLOURS["network"],
        label="forecast",
        marker="o" if len(coming) == 1 else None,
    )
    for level, strength in ((95, 0.15), (80, 0.3)):
        low, high = (coming[f"{side}_{level}"].to_numpy(float) for side in ("lower", "upper"))
        bounded = np.isfinite(low) & np.isfinite(high)
        if bounded.any():
            axes.fill_between(
                coming["time"],
                low,
                high,
                where=bounded,
                color=COLOURS["network"],
                alpha=strength,
                linewidth=0,
                label=f"{level} % interval",
            )
    axes.legend(frameon=False)


def draw_backtest(
    axes: Any, known: pd.DataFrame, forecasts: pd.DataFrame, title: str | None = None
) -> None:
    """Draws `actual` over `time`, the origins, and the forecasts from each of them, with their 80 %
    interval. The legend is below the last axes of the figure.

    Args:
        known: `time`, and `actual`, NaN where it is unknown.
        forecasts: `origin`, `time`, `step`, `forecast`, `lower_80` and `upper_80`, one origin
            after the other.
        title: of the axes.
    """
    actual, network = {"color": COLOURS["actual"], "zorder": 3}, {"color": COLOURS["network"]}
    values, times = known["actual"].to_numpy(float), known["time"].to_numpy()
    axes.plot(times, values, linewidth=0.8, label="actual", **actual)
    lonely = _between_gaps(values)
    axes.plot(times[lonely], values[lonely], ".", markersize=2, **actual)
    for number, rows in forecasts.groupby((forecasts["step"] == 1).cumsum()):
        labels = ("forecast", "80 % interval") if number == 1 else (None, None)
        single = {"marker": "o", "markersize": 4, "linestyle": "none"} if len(rows) == 1 else {}
        axes.plot(rows["time"], rows["forecast"], label=labels[0], **network, **single)
        low, high = (rows[f"{side}_80"].to_numpy(float) for side in ("lower", "upper"))
        bounded = np.isfinite(low) & np.isfinite(high)
        style = {"alpha": 0.25, "label": labels[1] if bounded.any() else None, **network}
        if not single:
            axes.fill_between(rows["time"], low, high, where=bounded, linewidth=0, **style)
        elif bounded.any():
            axes.vlines(rows["time"], low, high, linewidth=4, **style)
    axes.vlines(
        forecasts["origin"].drop_duplicates(),
        *(0, 1),
        transform=axes.get_xaxis_transform(),
        color=COLOURS["baseline"],
        linewidth=0.6,
        linestyle="dashed",
        label="origin",
    )
    label_times(axes, dates=times.dtype.kind == "M")
    if title is not None:
        axes.set_title(title, loc="left", fontsize="medium")
    if axes.get_subplotspec().is_last_row():
        axes.figure.legend(
            *axes.get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False
        )


def draw_origins(axes: Any, table: pd.DataFrame, score: str) -> None:
    """Draws the column `score` of each `method` over `origin`."""
    label = SHOWN.get(score, score)
    draw_methods(axes, table, "origin", score, "origin", label, logarithmic=True, marker="o")
    label_times(axes, dates=table["origin"].dtype.kind == "M")


def label_times(axes: Any, *, dates: bool) -> None:
    """Gives the ticks of times labels that do not touch: dates in digits, with the year at the end
    of the axis where they leave it out."""
    from matplotlib.dates import MONTHLY, AutoDateLocator, ConciseDateFormatter
    from matplotlib.ticker import MaxNLocator

    days, hours = "%m-%d", "%H:%M"
    locator: Any = MaxNLocator(9, integer=True)
    if dates:
        locator = AutoDateLocator(minticks=4, maxticks={MONTHLY: 9})
        formatter = ConciseDateFormatter(
            locator,
            formats=["%Y", "%Y-%m", days, hours, hours, "%H:%M:%S"],
            zero_formats=["", "%Y-%m", days, days, hours, hours],
            offset_formats=["", "", "%Y", *["%Y-%m-%d"] * 3],
        )
        axes.xaxis.set_major_formatter(formatter)
    axes.xaxis.set_major_locator(locator)
    axes.margins(x=0.01)


def _between_gaps(values: np.ndarray) -> np.ndarray:
    """Returns which values are known while neither neighbour is: no line leads to them."""
    known = np.isfinite(np.concatenate([[np.nan], values, [np.nan]]))
    return known[1:-1] & ~known[:-2] & ~known[2:]
