"""The network's perplexity on every test token, and how often the token was among its first
guesses."""

from collections.abc import Callable
from typing import Annotated, Any

import numpy as np
import pandas as pd

from stages import drawing
from stages.files.task_data import TaskData
from stages.kinds.data import Baselines, Evaluation, Judged
from stages.kinds.language_modelling.scores import SCORES
from stages.sections import Count, one_of
from stages.text import language, streams
from stages.text.data import IngestedTexts, TextExamples

GUESSES = 10


class Parameters(Judged):
    """streams, steps: the test text is read as so many streams side by side, so many tokens at a
    time, with the state carried. Only the first tokens of each stream lack what came before
    them."""

    score: Annotated[str, one_of(SCORES)] = "perplexity"
    streams: Count = 8
    steps: Count = 64


def evaluate(
    data: TaskData[IngestedTexts, TextExamples],
    predict: Callable[..., np.ndarray],
    baselines: Baselines,
    parameters: Parameters,
    retrain: Callable[[Any, str], Callable[..., np.ndarray]],
) -> Evaluation:
    """Scores the network on the test split.

    Args:
        predict: the network: batches, and what is kept of its logits -> that, for all examples.

    Returns:
        The scores; and for each number of guesses the share of tokens that are among so many of the
        likeliest.
    """
    test = streams.of_split(data.examples, "test", parameters.streams, parameters.steps)
    kept = predict(test, _nats_and_rank)
    counts = test.cut(np.arange(len(test)))["mask"] > 0
    nats, ranks = kept[..., 0][counts].astype(np.float64), kept[..., 1][counts]
    shares = [float((ranks < guesses).mean()) for guesses in range(1, GUESSES + 1)]
    scores = {
        **language.scores(nats, data.examples),
        "top_1": shares[0],
        "top_5": shares[4],
    }
    curve = pd.DataFrame({"method": "model", "guesses": np.arange(1, GUESSES + 1), "share": shares})
    return Evaluation(scores, curve, "test tokens that are among the likeliest")


def _nats_and_rank(logits: Any, batch: dict[str, Any]) -> Any:
    """Returns -log p of each target, and how many tokens are likelier, (..., 2)."""
    from stages.networks.backend import tf

    targets = batch["targets"]
    nats = tf.nn.sparse_softmax_cross_entropy_with_logits(targets, logits)
    own = tf.gather(logits, targets, axis=-1, batch_dims=len(targets.shape))
    likelier = tf.reduce_sum(tf.cast(logits > own[..., None], tf.float32), -1)
    return tf.stack([nats, likelier], -1)


def draw(axes: Any, curve: pd.DataFrame) -> None:
    """Draws the share of tokens over the number of guesses."""
    drawing.draw_methods(axes, curve, "guesses", "share", "guesses", "share of tokens")
