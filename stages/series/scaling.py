"""Scalers, fitted on training rows only."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from sklearn.preprocessing import MinMaxScaler, StandardScaler

ScalerName = Literal["minmax", "standard", "none"]


@dataclass(frozen=True)
class Scaler:
    """scaled = (raw - shift_) / scale_, for each feature, and for each series where there is more
    than one row.

    Attributes:
        shift_: (series or 1, features), raw units, or their logarithm.
        scale_: (series or 1, features), in the same units; 1 where a feature is constant, as in
            scikit-learn.
        log: whether the logarithm is taken before.
    """

    shift_: np.ndarray
    scale_: np.ndarray
    log: bool = False

    def transform(self, raw: np.ndarray, starts: np.ndarray) -> np.ndarray:
        """Scales the rows (rows, features) of series that begin at `starts` (series + 1,). Returns
        float32."""
        out = np.empty(raw.shape, np.float32)
        if len(self.shift_) == 1:
            starts = starts[[0, -1]]
        for series, (start, stop) in enumerate(pairwise(starts)):
            rows = np.log(raw[start:stop]) if self.log else raw[start:stop]
            out[start:stop] = (rows - self.shift_[series]) / self.scale_[series]
        return out

    def inverse(self, scaled: np.ndarray, series: np.ndarray, features: list[int]) -> np.ndarray:
        """Returns scaled values (examples, time, features) of the given series (examples,) in raw
        units, float64."""
        shift, scale = self._of(series, features)
        restored = scaled * scale + shift
        return np.exp(restored) if self.log else restored

    def forward(self, raw: np.ndarray, series: np.ndarray, features: list[int]) -> np.ndarray:
        """The inverse of `inverse`: raw values (examples, time, features) in the scaler's units,
        float64."""
        shift, scale = self._of(series, features)
        return ((np.log(raw) if self.log else raw) - shift) / scale

    def _of(self, series: np.ndarray, features: list[int]) -> tuple[np.ndarray, np.ndarray]:
        rows = series if len(self.shift_) > 1 else np.zeros_like(series)
        return self.shift_[rows][:, None, features], self.scale_[rows][:, None, features]


def of(arrays: dict[str, np.ndarray], about: dict[str, Any]) -> Scaler:
    """Returns the scaler of examples that `scale_and_window` wrote."""
    return Scaler(np.asarray(arrays["shift_"]), np.asarray(arrays["scale_"]), about["log"])


def fit(
    name: ScalerName, raw: np.ndarray, ranges: np.ndarray, per_series: bool, log: bool = False
) -> Scaler:
    """Fits scikit-learn's MinMaxScaler or StandardScaler.

    Args:
        name: `minmax`: training values lie in [0, 1]; `standard`: mean 0, standard deviation 1;
            `none`: unchanged.
        raw: (rows, features) all rows; NaN counts for nothing.
        ranges: (series, 2) first training row of each series and the row after its last one; no
            other row is read.
        per_series: one scaler a series instead of one for all.
        log: whether it is fitted on the logarithm of the values, which must be positive.
    """
    features = raw.shape[1]
    if name == "none":
        return Scaler(np.zeros((1, features)), np.ones((1, features)), log)
    groups = ranges[:, None] if per_series else [ranges]
    shift, scale = [], []
    for group in groups:
        if name == "minmax":
            minmax = MinMaxScaler()
            for start, stop in group:
                minmax.partial_fit(np.log(raw[start:stop]) if log else raw[start:stop])
            shift.append(minmax.data_min_)
            scale.append(1 / minmax.scale_)
        else:
            standard = StandardScaler()
            for start, stop in group:
                standard.partial_fit(np.log(raw[start:stop]) if log else raw[start:stop])
            shift.append(standard.mean_)
            scale.append(standard.scale_)
    return Scaler(np.array(shift), np.array(scale), log)
