"""Scalers, fitted on training rows only."""

import numpy as np
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from stages.series.scaling import Scaler, ScalerName


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
