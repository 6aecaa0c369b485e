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


def widened(scaler: Scaler, raw: np.ndarray, ranges: np.ndarray, whole: Scaler) -> Scaler:
    """Returns a scaler of each series whose scale is that of `whole`, of all series together, where
    a feature is constant in a series. Its later changes would count in units of 1 there, and as
    shares of the range in other series.

    Args:
        scaler: of each series. raw, ranges: what it was fitted on, as for `fit`.
    """
    scale = scaler.scale_.copy()
    for row, (start, stop) in enumerate(ranges):
        values = raw[start:stop]
        varies = np.array([len(np.unique(column[~np.isnan(column)])) > 1 for column in values.T])
        scale[row, ~varies] = whole.scale_[0, ~varies]
    return Scaler(scaler.shift_, scale, scaler.log)
