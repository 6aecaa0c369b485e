"""The scaler of series: raw values to the numbers that a network sees, and back."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np

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
