"""The network's perplexity on every test token, beside the counted floors, and how often it had the
token among its first guesses."""

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import pandas as pd

from stages.kinds import Curve
from stages.sections import Count, Section
from stages.text import language, streams

__all__ = ["CURVE", "Parameters", "evaluate"]

CURVE = Curve(
    "guesses",
    "share",
    "guesses",
    "share of tokens",
    "test tokens that are among the likeliest",
    logarithmic=False,
)
GUESSES = 10


class Parameters(Section):
    """score: what skill, the best baseline and the summary go by; lower is better for all.

    streams, steps: the test text is read as so many streams side by side, so many tokens at a time,
        with the state carried. Only the first tokens of each stream lack what came before them.
    """

    score: Literal["perplexity", "nats_per_token", "bits_per_character", "perplexity_per_word"] = (
        "perplexity"
    )
    streams: Count = 8
    steps: Count = 64


def evaluate(
    arrays: dict[str, np.ndarray],
    about: dict[str, Any],
    predict: Callable[..., np.ndarray],
    floors: dict[str, Any],
    floor_arrays: dict[str, np.ndarray],
    parameters: Parameters,
) -> tuple[dict[str, Any], pd.DataFrame, dict[str, np.ndarray]]:
    """Scores the network on the test split.

    Args:
        predict: the network: batches, and what is kept of its logits -> that, for all examples.

    Returns:
        The scores `{model, baseline, best_baseline, skill}`; for each number of guesses the share
        of tokens that are among so many of the likeliest; and no arrays.
    """
    test = streams.of_split(arrays, about, "test", parameters.streams, parameters.steps)
    kept = predict(test, _nats_and_rank)
    real = test.cut(np.arange(len(test)))["mask"] > 0
    nats, ranks = kept[..., 0][real].astype(np.float64), kept[..., 1][real]
    shares = [float((ranks < guesses).mean()) for guesses in range(1, GUESSES + 1)]
    model = {**language.scores(nats, about), "top_1": shares[0], "top_5": shares[4]}
    best = min(floors, key=lambda name: floors[name][parameters.score])
    scores = {
        "model": model,
        "baseline": floors,
        "best_baseline": best,
        "skill": 1 - model[parameters.score] / floors[best][parameters.score],
    }
    curves = pd.DataFrame(
        {"method": "model", "guesses": np.arange(1, GUESSES + 1), "share": shares}
    )
    return scores, curves, {}


def _nats_and_rank(logits: Any, batch: dict[str, Any]) -> Any:
    """Returns -log p of each target, and how many tokens are likelier, (..., 2)."""
    from stages.networks.backend import tf

    targets = batch["targets"]
    nats = tf.nn.sparse_softmax_cross_entropy_with_logits(targets, logits)
    own = tf.gather(logits, targets, axis=-1, batch_dims=len(targets.shape))
    likelier = tf.reduce_sum(tf.cast(logits > own[..., None], tf.float32), -1)
    return tf.stack([nats, likelier], -1)
