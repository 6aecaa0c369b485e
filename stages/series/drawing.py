"""What is drawn of series on matplotlib's axes."""

from typing import Any

import numpy as np
import pandas as pd

from stages.drawing import COLOURS


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
