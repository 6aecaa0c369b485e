"""Beam search for the likeliest continuation."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

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


@dataclass(frozen=True)
class Found:
    """A sequence that a search met: its ids, (tokens,), without the one that ends it; the log p of
    them and of that end; and the score by which sequences are compared."""

    ids: np.ndarray
    log_probability: float
    score: float


class Step(Protocol):
    def __call__(
        self, tokens: np.ndarray, origins: np.ndarray, rows: np.ndarray, forbidden: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Takes one token more of each sequence.

        Args:
            tokens: (rows, beams) the last token of each.
            origins: (rows, beams) the place, among the beams of the call before, of what each goes
                on from.
            rows: (rows,) which rows of the call before go on.
            forbidden: (n, 3) row, beam and id of tokens that must not follow.

        Returns:
            The log p (rows, beams, beams + 1) and the ids of the likeliest next tokens.
        """


def beam_searches(
    step: Step,
    limits: np.ndarray,
    beams: int,
    end: int,
    length_penalty: float = 0.0,
    forbid: Callable[[np.ndarray], np.ndarray] = lambda paths: np.zeros((0, 3), np.int64),
) -> list[list[Found]]:
    """Searches for the likeliest sequence of each of several rows, side by side.

    A sequence's score is its log p / its number of tokens, the end among them, to the power of
    `length_penalty` (0: log p). A search ends when it has met as many ended sequences as `beams`:
    with 1 it is greedy.

    Args:
        limits: (rows,) the most tokens of each row's sequences. What has so many is taken as it is.
        end: the id that ends a sequence. Each starts after one, too.
        forbid: the ids of all beams so far (rows, beams, tokens) -> what `step` gets as forbidden.

    Returns:
        For each row what was found, the best first.
    """
    found: list[list[Found]] = [[] for _ in limits]
    rows, kept = np.arange(len(limits)), np.arange(len(limits))
    paths = np.zeros((len(limits), beams, int(limits.max(initial=0))), np.int64)
    totals = np.full((len(limits), beams), -np.inf)
    totals[:, 0] = 0
    tokens, origins = np.full_like(totals, end, np.int64), np.zeros_like(totals, np.int64)

    def take(row: int, beam: int, total: float, count: int) -> None:
        ids = paths[row, beam, :length].copy()
        score = float(total) / max(count, 1) ** length_penalty
        found[rows[row]].append(Found(ids, float(total), score))

    for length in range(paths.shape[2] + 1):
        full = limits[rows] <= length
        for number, beam in np.argwhere(full[:, None] & np.isfinite(totals)).tolist():
            take(number, beam, totals[number, beam], length)
        is_open = ~full & (np.fromiter(map(len, (found[row] for row in rows)), int) < beams)
        is_open &= np.isfinite(totals).any(1)
        if not is_open.any():
            break
        rows, kept = rows[is_open], kept[is_open]
        paths, totals, tokens, origins = (
            array[is_open] for array in (paths, totals, tokens, origins)
        )
        logs, ids = step(tokens, origins, kept, forbid(paths[:, :, :length]))
        kept = np.arange(len(rows))
        every = (totals[:, :, None] + logs).reshape(len(rows), -1)
        order = np.argsort(-every, axis=1, kind="stable")[:, : 2 * beams]
        chosen = np.take_along_axis(ids.reshape(len(rows), -1), order, 1)
        every, origins = np.take_along_axis(every, order, 1), order // logs.shape[2]
        ended = (chosen == end) & np.isfinite(every)
        for number, place in np.argwhere(ended[:, :beams]).tolist():
            take(number, origins[number, place], every[number, place], length + 1)
        going = np.argsort(chosen == end, axis=1, kind="stable")[:, :beams]
        totals, tokens, origins = (
            np.take_along_axis(array, going, 1) for array in (every, chosen, origins)
        )
        totals = np.where(tokens == end, -np.inf, totals)
        paths = np.take_along_axis(paths, origins[:, :, None], 1)
        if length < paths.shape[2]:
            paths[:, :, length] = tokens
    return [sorted(entries, key=lambda entry: -entry.score)[:beams] for entries in found]


def repeated(paths: np.ndarray, *, tokens: bool, trigrams: bool) -> np.ndarray:
    """Returns which tokens would repeat what sequences have, (n, 3): row, beam and id.

    Args:
        paths: (rows, beams, tokens) of each sequence.
        tokens: whether a token must not stand twice in a row. trigrams: whether no three tokens may
            stand twice in a sequence.
    """
    parts = [np.zeros((0, 3), np.int64)]
    length = paths.shape[2]
    if tokens and length:
        row, beam = np.indices(paths.shape[:2])
        parts.append(np.stack([row, beam, paths[:, :, -1]], -1).reshape(-1, 3))
    if trigrams and length > 2:
        same = (paths[:, :, :-2] == paths[:, :, -2:-1]) & (paths[:, :, 1:-1] == paths[:, :, -1:])
        places = np.argwhere(same)
        third = paths[places[:, 0], places[:, 1], places[:, 2] + 2]
        parts.append(np.concatenate([places[:, :2], third[:, None]], 1))
    return np.concatenate(parts)
