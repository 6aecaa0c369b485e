"""The closed-form forecast as a layer of the network, and how far the network is trusted to correct
it."""

from typing import Any

import numpy as np
from scipy.special import stdtrit

from stages.networks.views import seen_targets
from stages.series.data import SeriesExamples
from stages.series.regressions import SPREAD


def anchored(inputs: dict[str, Any], examples: SeriesExamples) -> Any:
    """Returns the closed-form forecast, (batch, horizon, targets), as a dense layer."""
    from keras import layers, ops

    window, parts = inputs["window"], []
    if planned := examples.windows_of("train").planned:
        parts = [layers.Flatten()(inputs["known"][:, :, -planned:])]
    anchor, shape = examples.anchor, (examples.horizon, len(examples.targets))
    line = layers.Dense(shape[0] * shape[1], trainable=False, name="shortcut")
    seen = seen_targets(examples)
    if seen is None:
        outputs = layers.Reshape(shape)(line(_joined([layers.Flatten()(window), *parts])))
        line.set_weights([anchor.kernel, anchor.intercept])
        return outputs
    last, own = window[:, -1:], ops.take(window, seen, axis=-1)
    spread = ops.sqrt(ops.var(own, axis=1) + SPREAD)
    features = _joined([layers.Flatten()(window - last), *parts, spread])
    outputs = layers.Reshape(shape)(line(features))
    by_spread = anchor.by_spread.reshape(shape)[:, None] * np.eye(shape[1])
    by_spread = by_spread.transpose(1, 0, 2).reshape(shape[1], -1)
    line.set_weights([np.concatenate([anchor.kernel, by_spread]), anchor.intercept])
    return ops.take(last, seen, axis=-1) + outputs


def _joined(parts: list[Any]) -> Any:
    from keras import ops

    return ops.concatenate(parts, axis=-1) if len(parts) > 1 else parts[0]


def shrink(network: Any, share: float) -> None:
    """Multiplies the network's correction of the anchor by `share`."""
    head = network.get_layer("head")
    head.set_weights([array * np.float32(share) for array in head.get_weights()])


def trusted(network: Any, examples: SeriesExamples) -> float:
    """Returns the share of the network's correction of the anchor that validation leaves beyond
    doubt, from 0 to 1.

    The gain of the correction is the mean over stretches of validation, each a horizon long, of
    what it takes off the absolute error. The share is 1 - (doubt / gain)^2, or 0 where that is
    negative: the positive-part estimator of James and Stein (1961), with the distance to the lower
    end of a one-sided interval of 90 % as the doubt, as the standard error of a few stretches is
    itself uncertain.
    """
    from stages.networks import prediction

    head = network.get_layer("head")
    trained = head.get_weights()
    windows = examples.windows_of("validation")
    indices = np.arange(len(windows))
    origins, series = windows.locate(indices)
    future = windows.future(indices)
    known = np.maximum(future["mask"].sum(axis=(1, 2)), 1)

    def errors() -> np.ndarray:
        absolute = np.abs(future["targets"] - prediction.predict(network, windows))
        return np.asarray((absolute * future["mask"]).sum(axis=(1, 2)) / known)

    corrected = errors()
    head.set_weights([np.zeros_like(array) for array in trained])
    gains = errors() - corrected
    stretch = (origins - windows.spans[series, 0]) // windows.horizon
    _, stretches = np.unique(np.stack([series, stretch]), axis=1, return_inverse=True)
    means = np.bincount(stretches, gains) / np.bincount(stretches)
    gain, count = means.mean(), len(means)
    doubt = np.inf
    if count > 1:
        doubt = stdtrit(count - 1, 0.9) * means.std(ddof=1) / np.sqrt(count)
    head.set_weights(trained)
    return float(max(0.0, 1 - (doubt / gain) ** 2)) if gain > 0 else 0.0
