"""Beam search for the likeliest continuation."""

from collections.abc import Callable
from typing import Any

import numpy as np

from stages.text import language

State = list[Any]


def beam_search(
    allow: Callable[[np.ndarray], np.ndarray],
    logits: np.ndarray,
    state: State,
    step: Callable[[np.ndarray, State], tuple[np.ndarray, State]],
    beams: int,
    length: int,
    end: int | None,
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the ids of the likeliest continuation that the search meets, (tokens,), and the log p
    of each.

    Args:
        allow: logits (rows, tokens) -> the same with -inf where a token must not follow.
        logits, state: after the prompt, of one row.
        step: (ids (rows,), state) -> logits (rows, tokens), state: a list of arrays whose first
            axis is the rows.
        beams: continuations that are held at a time. length: of the longest continuation.
        end: the id that ends a continuation. An ended one competes with the others by its own
            probability, and is not continued. None: there is no such id.
    """
    paths, nats = np.zeros((1, 0), np.int64), np.zeros((1, 0))
    finished: list[tuple[float, np.ndarray, np.ndarray]] = []
    for _ in range(length):
        likely = np.log(np.maximum(language.probabilities(allow(logits)), 1e-300))
        total = nats.sum(1)[:, None] + likely
        order = np.argsort(-total, axis=None, kind="stable")[:beams]
        rows, chosen = np.unravel_index(order, total.shape)
        paths = np.concatenate([paths[rows], chosen[:, None]], 1)
        nats = np.concatenate([nats[rows], likely[rows, chosen][:, None]], 1)
        ended = chosen == end if end is not None else np.zeros(len(chosen), bool)
        finished += [
            (float(nats[row].sum()), paths[row], nats[row]) for row in np.flatnonzero(ended)
        ]
        keep = np.flatnonzero(~ended)
        best = max((entry[0] for entry in finished), default=-np.inf)
        # A continuation only gets less likely with every token.
        keep = keep[nats[keep].sum(1) > best]
        paths, nats = paths[keep], nats[keep]
        if not len(keep):
            break
        logits, state = step(chosen[keep], [np.asarray(array)[rows[keep]] for array in state])
    finished += [(float(row.sum()), path, row) for path, row in zip(paths, nats, strict=True)]
    _, path, log_probabilities = max(finished, key=lambda entry: entry[0])
    return path, log_probabilities
