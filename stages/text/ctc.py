"""Labels from the outputs of a network with CTC, with a language model, and where they are.

A path has one class per step, and stands for the labels that are left when repeats are merged and
blanks, the last class, removed (Graves, Fernández, Gomez and Schmidhuber, 2006).

Prefix beam search: Hannun, Maas, Jurafsky and Ng, "First-pass large vocabulary continuous speech
recognition using bi-directional recurrent DNNs", 2014. A beam is a prefix of labels, with the
probability of all paths that stand for it. It may be reached in two ways, as it was there before
and from the prefix that is one label shorter, whose probabilities add up.

Shapes: N examples, T steps, C classes, L labels of an example, K beams; M labels go on from a beam.
All examples are worked on side by side.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from stages.errors import InputError
from stages.text.ngrams import KneserNey

# Of more labels than that, only the likeliest of a step go on from prefixes.
MOST_LABELS = 20
# A table of a language model has at most so many numbers.
_TABLE = 4_000_000


def needed(labels: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Returns the least number of steps that stand for each example's labels, (N,): one for each
    label, and one for the blank between equal neighbours.

    Args:
        labels: (N, L), each example's own first.
        counts: (N,) how many are its own.
    """
    equal = labels[:, 1:] == labels[:, :-1]
    own = np.arange(1, labels.shape[1]) < np.asarray(counts)[:, None]
    return counts + (equal & own).sum(1)


def greedy(log_p: np.ndarray, steps: np.ndarray) -> list[np.ndarray]:
    """Returns the labels of the likeliest path of each example.

    Args:
        log_p: (N, T, C).
        steps: (N,) how many steps are each example's own, which come first.
    """
    path = log_p.argmax(2)
    is_new = np.ones(path.shape, bool)
    is_new[:, 1:] = path[:, 1:] != path[:, :-1]
    own = np.arange(path.shape[1]) < np.asarray(steps)[:, None]
    kept = is_new & own & (path != log_p.shape[2] - 1)
    return np.split(path[kept], np.cumsum(kept.sum(1)))[:-1]


@dataclass(frozen=True)
class Alignment:
    """Where labels are. Behind an example's own labels all is 0.

    Attributes:
        first, after: (N, L) the first step of each label, and the one behind its last.
        mean, highest: (N, L) float64, of its probability at these steps.
    """

    first: np.ndarray
    after: np.ndarray
    mean: np.ndarray
    highest: np.ndarray


def align(
    log_p: np.ndarray, steps: np.ndarray, labels: np.ndarray, counts: np.ndarray
) -> Alignment:
    """Returns where the labels are on the likeliest path that stands for them (Viterbi, 1967).

    Args:
        log_p: (N, T, C).
        steps: (N,) how many steps are each example's own.
        labels: (N, L), each example's own first.
        counts: (N,) how many labels are its own.

    Raises:
        InputError: if an example has fewer steps than its labels need.
    """
    steps, counts = np.asarray(steps), np.asarray(counts)
    least = needed(labels, counts)
    for example in np.flatnonzero(steps < least)[:1].tolist():
        raise InputError(
            f"example {example}: expected at least {least[example]} steps, as its "
            f"{counts[example]} labels need so many, received {steps[example]}: leave it out"
        )
    states = _likeliest(log_p, steps, labels, counts)
    # Each label is one run of steps, and the runs of an example are in the order of its labels.
    rows, times = np.nonzero(states % 2)
    first, after = np.zeros(labels.shape, np.int64), np.zeros(labels.shape, np.int64)
    mean, highest = np.zeros(labels.shape), np.zeros(labels.shape)
    if len(rows):
        places = states[rows, times] // 2
        ids = rows * labels.shape[1] + places
        begins = np.flatnonzero(np.diff(ids, prepend=-1))
        ends = np.append(begins[1:], len(ids)) - 1
        chances = np.exp(log_p[rows, times, labels[rows, places]].astype(float))
        label = rows[begins], places[begins]
        first[label], after[label] = times[begins], times[ends] + 1
        mean[label] = np.add.reduceat(chances, begins) / (ends + 1 - begins)
        highest[label] = np.maximum.reduceat(chances, begins)
    return Alignment(first, after, mean, highest)


def _likeliest(
    log_p: np.ndarray, steps: np.ndarray, labels: np.ndarray, counts: np.ndarray
) -> np.ndarray:
    """Returns the states of the likeliest paths, (N, T): 2 l + 1 is label l, and an even number a
    blank. Behind an example's own steps it is 0."""
    (rows, length, classes), states = log_p.shape, 2 * labels.shape[1] + 1
    of_states = np.full((rows, states), classes - 1)
    # What is behind an example's own labels is in no path of theirs.
    of_states[:, 1::2] = np.where(np.arange(labels.shape[1]) < counts[:, None], labels, 0)
    skips = np.zeros(of_states.shape, bool)
    skips[:, 3::2] = of_states[:, 3::2] != of_states[:, 1:-2:2]
    best = np.full((rows, states + 2), -np.inf)
    # Before the first step a path is as if in the blank before the first label.
    best[:, 2] = 0
    back = np.zeros((length, rows, states), np.int8)
    for t in range(int(steps.max(initial=0))):
        stays, goes = best[:, 2:], best[:, 1:-1]
        jumps = np.where(skips, best[:, :-2], -np.inf)
        entered = np.maximum(goes, jumps)
        back[t] = np.where(stays >= entered, 0, np.where(goes >= jumps, 1, 2))
        scores = np.maximum(stays, entered) + np.take_along_axis(log_p[:, t], of_states, 1)
        best[:, 2:] = np.where(steps[:, None] > t, scores, stays)
    every, last = np.arange(rows), 2 * counts
    is_label = (counts > 0) & (best[every, last + 1] > best[every, last + 2])
    state, path = last - is_label, np.zeros((rows, length), np.int64)
    for t in range(length - 1, -1, -1):
        own = steps > t
        path[:, t] = np.where(own, state, 0)
        state = np.where(own, state - back[t, every, state], state)
    return path


class LanguageModel(Protocol):
    """Scores labels, of which there are C - 1, and the end of a text, whose id is C - 1."""

    def following(self, contexts: np.ndarray) -> np.ndarray:
        """Returns log p of all ids behind each pair of them, (n, C).

        Args:
            contexts: (n, 2) ids. C stands for what is before the first label.
        """


@dataclass(frozen=True)
class Hypothesis:
    """Labels that were heard.

    Attributes:
        ids: (labels,).
        log_probability: log p of the labels given the sound, by the network alone, as far as the
            search has met the paths.
        score: by which it was compared with others.
    """

    ids: np.ndarray
    log_probability: float
    score: float


@dataclass
class _Beams:
    """Prefixes, all arrays (N, K).

    Attributes:
        blank, label: log p of all paths that stand for the prefix and end in a blank, or in its
            last label; both are -inf for what is no beam.
        last, before: its last two labels, C for none.
        own, parent: numbers that tell prefixes apart, its own, and of the one without its last
            label.
        extra: the score of the language model and the bonuses.
    """

    blank: np.ndarray
    label: np.ndarray
    last: np.ndarray
    before: np.ndarray
    own: np.ndarray
    parent: np.ndarray
    extra: np.ndarray


def counted(labels: np.ndarray, counts: np.ndarray, classes: int) -> KneserNey:
    """Returns the trigram model of transcripts, (N, L) labels of which `counts` (N,) are their own,
    for C classes."""
    own = np.arange(labels.shape[1] + 1) <= counts[:, None]
    ended = np.pad(labels, [(0, 0), (0, 1)])
    ended[np.arange(len(labels)), counts] = classes - 1
    starts = np.zeros(own.shape, bool)
    starts[:, 0] = True
    return KneserNey(ended[own], classes, starts[own])


def beam_search(
    log_p: np.ndarray,
    steps: np.ndarray,
    beams: int,
    language: LanguageModel | None = None,
    weight: float = 0.0,
    bonus: float = 0.0,
) -> list[Hypothesis]:
    """Returns the labels of each example with the highest score that the search meets.

    The score is log p(labels | sound) + weight * log p(labels and their end) by the language model
    + bonus * number of labels.

    Args:
        log_p: (N, T, C).
        steps: (N,) how many steps are each example's own, which come first.
        beams: how many prefixes are held at a time.
    """
    rows, length, classes = log_p.shape
    # The longest come first, so that those with a step at a time are a slice.
    order = np.argsort(-np.asarray(steps), kind="stable")
    active = (np.asarray(steps)[:, None] > np.arange(length)).sum(0)
    gains = _Gains(language if weight else None, weight, bonus, classes)
    state = _start(rows, beams, classes)
    origins = np.tile(np.arange(beams, dtype=np.int32), (length, rows, 1))
    added = np.full(origins.shape, -1, np.int32)
    for t in range(int(np.max(steps, initial=0))):
        now = slice(active[t])
        logs = log_p[order[now], t].astype(float)
        after, origins[t, now], added[t, now] = _step(_part(state, now), logs, gains)
        for array, new in zip(_arrays(state), _arrays(after), strict=True):
            array[now] = new
    totals = np.logaddexp(state.blank, state.label)
    scores = totals + state.extra + gains.end(state.before, state.last)
    best = scores.argmax(1)
    results: list[Hypothesis] = [Hypothesis(np.zeros(0, np.int64), 0.0, 0.0)] * rows
    for row, path in enumerate(_traced(origins, added, best)):
        ids, beam = path[path >= 0].astype(np.int64), best[row]
        results[order[row]] = Hypothesis(ids, float(totals[row, beam]), float(scores[row, beam]))
    return results


class _Gains:
    """What labels add to the score of a prefix, by its last two labels."""

    def __init__(
        self, language: LanguageModel | None, weight: float, bonus: float, classes: int
    ) -> None:
        self._language, self._weight, self._bonus, self._ids = language, weight, bonus, classes + 1
        self._table: np.ndarray | None = None
        if language is not None and self._ids**2 * classes <= _TABLE:
            self._table = self._rows(np.arange(self._ids**2))

    def _rows(self, contexts: np.ndarray) -> np.ndarray:
        """Returns the weighted log p of all ids behind each context, (contexts, C)."""
        assert self._language is not None
        pairs = np.stack([contexts // self._ids, contexts % self._ids], 1)
        return self._weight * self._language.following(pairs)

    def _weighted(self, before: np.ndarray, last: np.ndarray, ids: np.ndarray) -> np.ndarray:
        contexts = before * self._ids + last
        if self._table is not None:
            return self._table[contexts[:, :, None], ids]
        distinct, places = np.unique(contexts, return_inverse=True)
        return self._rows(distinct)[places.reshape(contexts.shape)[:, :, None], ids]

    def labels(self, before: np.ndarray, last: np.ndarray, ids: np.ndarray) -> np.ndarray:
        """Returns the gains of `ids` (N, M) behind beams, (N, K, M), or (1, 1, 1)."""
        if self._language is None:
            return np.full((1, 1, 1), self._bonus)
        return self._weighted(before, last, ids[:, None]) + self._bonus

    def end(self, before: np.ndarray, last: np.ndarray) -> np.ndarray:
        """Returns the gain of the end, (N, K)."""
        if self._language is None:
            return np.zeros(last.shape)
        return self._weighted(before, last, np.array(self._ids - 2))[:, :, 0]


def _start(rows: int, beams: int, classes: int) -> _Beams:
    """Returns the prefix of no labels."""
    shape = rows, beams
    blank, none = np.full(shape, -np.inf), np.full(shape, classes)
    blank[:, :1] = 0
    own, parent = np.ones(shape, np.uint64), np.zeros(shape, np.uint64)
    return _Beams(blank, np.full(shape, -np.inf), none, none.copy(), own, parent, np.zeros(shape))


def _step(beams: _Beams, logs: np.ndarray, gains: _Gains) -> tuple[_Beams, np.ndarray, np.ndarray]:
    """Takes one step more, of log p (N, C). Also returns the beam that each goes on from, and the
    label that it adds, -1 for none, (N, K)."""
    count, blank = beams.last.shape[1], logs.shape[1] - 1
    total = np.logaddexp(beams.blank, beams.label)
    ids = _candidates(logs)
    # An equal label only goes on from a path that ends in a blank.
    equal = ids[:, None] == beams.last[:, :, None]
    longer = np.where(equal, beams.blank[:, :, None], total[:, :, None])
    longer += np.take_along_axis(logs, ids, 1)[:, None]
    ends_in_blank = total + logs[:, blank:]
    ends_in_label = _merged(beams, total, logs, ids, longer)
    stays = np.logaddexp(ends_in_blank, ends_in_label) + beams.extra
    extra = beams.extra[:, :, None] + gains.labels(beams.before, beams.last, ids)
    scores = np.concatenate([stays, (longer + extra).reshape(len(ids), -1)], 1)
    chosen = np.argsort(-scores, axis=1, kind="stable")[:, :count]
    is_longer = chosen >= count
    place = np.maximum(chosen - count, 0)
    origin = np.where(is_longer, place // ids.shape[1], chosen)
    label = np.take_along_axis(ids, place % ids.shape[1], 1)

    def kept(array: np.ndarray) -> np.ndarray:
        return np.take_along_axis(array, origin, 1)

    def of(array: np.ndarray) -> np.ndarray:
        flat = np.broadcast_to(array, longer.shape).reshape(len(ids), -1)
        return np.take_along_axis(flat, place, 1)

    after = _Beams(
        np.where(is_longer, -np.inf, kept(ends_in_blank)),
        np.where(is_longer, of(longer), kept(ends_in_label)),
        np.where(is_longer, label, kept(beams.last)),
        np.where(is_longer, kept(beams.last), kept(beams.before)),
        np.where(is_longer, _number(kept(beams.own), label), kept(beams.own)),
        np.where(is_longer, kept(beams.own), kept(beams.parent)),
        np.where(is_longer, of(extra), kept(beams.extra)),
    )
    return after, origin, np.where(is_longer, label, -1)


def _merged(
    beams: _Beams, total: np.ndarray, logs: np.ndarray, ids: np.ndarray, longer: np.ndarray
) -> np.ndarray:
    """Returns log p of the paths of each beam that now end in its last label, (N, K), among them
    those from the prefix one label shorter, which are taken out of `longer` (N, K, M)."""
    blank = logs.shape[1] - 1
    own = np.take_along_axis(logs, np.minimum(beams.last, blank), 1)
    ends_in_label = beams.label + own
    alive = total > -np.inf
    is_parent = beams.parent[:, :, None] == beams.own[:, None]
    row, child, parent = np.nonzero(is_parent & alive[:, :, None] & alive[:, None])
    last = beams.last[row, child]
    equal = last == beams.last[row, parent]
    entering = np.where(equal, beams.blank[row, parent], total[row, parent]) + own[row, child]
    ends_in_label[row, child] = np.logaddexp(ends_in_label[row, child], entering)
    places = np.full(logs.shape, -1)
    np.put_along_axis(places, ids, np.arange(ids.shape[1])[None], 1)
    place = places[row, last]
    there = place >= 0
    longer[row[there], parent[there], place[there]] = -np.inf
    return ends_in_label


def _candidates(logs: np.ndarray) -> np.ndarray:
    """Returns the labels that may go on from prefixes, (N, M)."""
    labels = logs.shape[1] - 1
    if labels <= MOST_LABELS:
        return np.tile(np.arange(labels), (len(logs), 1))
    return np.argsort(-logs[:, :-1], axis=1, kind="stable")[:, :MOST_LABELS]


def _number(own: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Returns the numbers of prefixes that are one label longer: a hash, of whose 64 bits a search
    sees far too few for two to be equal."""
    mixed = (own ^ (own >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed += (label.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    return (mixed ^ (mixed >> np.uint64(32))) * np.uint64(0x94D049BB133111EB)


def _traced(origins: np.ndarray, added: np.ndarray, beam: np.ndarray) -> np.ndarray:
    """Returns what was added at each step to the beams `beam` (N,), (N, T)."""
    length, rows = len(origins), np.arange(len(beam))
    path = np.full((len(beam), length), -1)
    for t in range(length - 1, -1, -1):
        path[:, t] = added[t, rows, beam]
        beam = origins[t, rows, beam]
    return path


def _arrays(beams: _Beams) -> list[np.ndarray]:
    return [getattr(beams, name) for name in _Beams.__dataclass_fields__]


def _part(beams: _Beams, rows: slice) -> _Beams:
    return _Beams(*(array[rows] for array in _arrays(beams)))
