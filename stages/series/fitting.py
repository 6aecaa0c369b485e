"""Scalers, fitted on training rows only."""

from collections.abc import Sequence

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
    fitted = _minmax if name == "minmax" else _standard
    shift, scale = [], []
    for group in ranges[:, None] if per_series else [ranges]:
        blocks = (raw[start:stop] for start, stop in group)
        # A series without a value says nothing: scikit-learn would make NaN of all.
        own = fitted([np.log(block) if log else block for block in blocks])
        shift.append(own[0])
        scale.append(own[1])
    return Scaler(np.array(shift), np.array(scale), log)


def _minmax(blocks: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Returns the minimum and the range of each feature, (features,); 1 for a range of 0."""
    low = np.fmin.reduce([np.fmin.reduce(block, axis=0) for block in blocks])
    high = np.fmax.reduce([np.fmax.reduce(block, axis=0) for block in blocks])
    fitted = MinMaxScaler().fit(np.stack([low, high]))
    return fitted.data_min_, 1 / fitted.scale_


def _standard(blocks: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Returns the mean and the standard deviation of each feature, (features,); 1 for one of 0."""
    absent = np.array([np.isnan(block).all(axis=0) for block in blocks])
    if absent.all(axis=0).any() or not absent.any():
        return _incremental(blocks)
    columns = []
    for number, skipped in enumerate(absent.T):
        found = [block for block, skip in zip(blocks, skipped, strict=True) if not skip]
        columns.append(_incremental([block[:, [number]] for block in found]))
    mean, deviation = np.concatenate(columns, axis=1)
    return mean, deviation


def _incremental(blocks: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    standard = StandardScaler()
    for block in blocks:
        standard.partial_fit(block)
    return standard.mean_, standard.scale_


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
