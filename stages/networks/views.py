"""What the recurrent layers see of a window."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from stages.errors import InputError
from stages.series.data import SeriesExamples

Normalisation = Literal["none", "last_value", "season", "instance"] | None


@dataclass(frozen=True)
class View:
    """What the recurrent layers see: `past` (batch, steps, inputs). Their outputs are multiplied by
    `scale` and added to `level`, so far as there are any."""

    past: Any
    level: Any = None
    scale: Any = None


def seen_targets(examples: SeriesExamples) -> list[int] | None:
    """Returns where the targets are among the inputs; None where not all of them are inputs."""
    if not set(examples.targets) <= set(examples.inputs):
        return None
    return [examples.inputs.index(target) for target in examples.targets]


def check(examples: SeriesExamples, how: Normalisation) -> None:
    """Raises `InputError` where the examples cannot be seen so."""
    if how not in (None, "none") and seen_targets(examples) is None:
        raise InputError(
            f"train.normalise: expected `none`, as not all targets are inputs, received {how}"
        )
    if how == "season" and not 1 < examples.season < examples.lookback:
        raise InputError(
            "train.normalise: expected a season of more than one step and a longer lookback, "
            f"received season {examples.season}, lookback {examples.lookback}: set "
            "scale_and_window.season, lengthen scale_and_window.lookback, or choose another way"
        )


def steps_seen(examples: SeriesExamples, how: Normalisation) -> int:
    """Returns how many steps are left of a normalised window."""
    return examples.lookback - (examples.season if how == "season" else 0)


def normalised(window: Any, examples: SeriesExamples, how: Normalisation) -> View:
    """Returns how the recurrent layers see `window` (batch, lookback, inputs)."""
    from keras import ops

    seen = seen_targets(examples)
    if how in (None, "none") or seen is None:
        return View(window)

    def of_targets(level: Any) -> Any:
        whole = seen == list(range(len(examples.inputs)))
        return level if whole else ops.take(level, seen, axis=-1)

    if how == "season":
        season, lookback = examples.season, examples.lookback
        steps = lookback - season + np.arange(examples.horizon) % season
        level = ops.take(window, steps.tolist(), axis=1)
        return View(window[:, season:] - window[:, :-season], of_targets(level))
    if how == "instance":
        mean = ops.mean(window, axis=1, keepdims=True)
        # The small term keeps a constant window finite.
        deviation = ops.sqrt(ops.var(window, axis=1, keepdims=True) + 1e-5)
        return View((window - mean) / deviation, of_targets(mean), of_targets(deviation))
    last = window[:, -1:]
    return View(window - last, of_targets(last))
