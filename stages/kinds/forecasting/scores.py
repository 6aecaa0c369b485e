"""The scores of a forecasting task. All are errors, and 0 is perfect."""

from stages.scores import Score

SCORES = {
    **{name: Score() for name in ("mae", "rmse", "mase", "smape", "scaled_mse", "scaled_mae")},
    **{name: Score() for name in ("pinball", "wql", "crps")},
    "owa": Score(needs="naive2 among baseline.methods"),
}
HEADLINES = ("coverage_95",)
