"""Decoding and alignment against all paths and all sequences of labels."""

import itertools
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from stages.errors import InputError
from stages.text import ctc

CLASSES, BLANK = 3, 2


def random(examples: int, length: int, classes: int, seed: int = 0) -> tuple[np.ndarray, Any]:
    """Returns log p, and how many steps each example has."""
    rng = np.random.default_rng(seed)
    scores = rng.normal(scale=1.5, size=(examples, length, classes))
    logs = scores - np.log(np.exp(scores).sum(2, keepdims=True))
    return logs.astype("float32"), rng.integers(1, length + 1, examples)


def merged(path: tuple[int, ...], blank: int = BLANK) -> tuple[int, ...]:
    return tuple(label for label, _ in itertools.groupby(path) if label != blank)


def of_all(logs: np.ndarray) -> dict[tuple[int, ...], float]:
    """Returns log p of all sequences of labels, by all paths."""
    steps, classes = logs.shape
    chances: dict[tuple[int, ...], float] = defaultdict(float)
    for path in itertools.product(range(classes), repeat=steps):
        chances[merged(path, classes - 1)] += np.exp(logs[range(steps), path].sum(dtype=float))
    return {labels: float(np.log(chance)) for labels, chance in chances.items()}


def test_labels_need_a_step_each_and_one_between_equal_neighbours() -> None:
    labels = np.array([[1, 1, 1, 2], [0, 1, 1, 1], [0, 0, 0, 0], [5, 5, 3, 3]])
    assert ctc.needed(labels, np.array([4, 2, 0, 4])).tolist() == [6, 2, 0, 6]
    assert ctc.needed(np.zeros((2, 0), int), np.zeros(2, int)).tolist() == [0, 0]


def test_greedy_merges_repeats_and_removes_blanks() -> None:
    paths = [[0, 0, 2, 0, 1, 1], [2, 1, 1, 2, 2, 0], [2, 2, 2, 2, 2, 2], [1, 1, 1, 1, 0, 0]]
    logs = np.log(np.eye(CLASSES)[paths] * 0.9 + 0.03)
    found = ctc.greedy(logs, np.array([6, 5, 6, 3]))
    assert [ids.tolist() for ids in found] == [[0, 0, 1], [1], [], [1]]
    assert ctc.greedy(logs[:0], np.zeros(0, int)) == []


class Table:
    """A language model of any numbers, whose id of the end is the last."""

    def __init__(self, classes: int) -> None:
        rng = np.random.default_rng(7)
        scores = rng.normal(scale=2, size=(classes + 1, classes + 1, classes))
        self.logs = scores - np.log(np.exp(scores).sum(2, keepdims=True))

    def following(self, contexts: np.ndarray) -> np.ndarray:
        return self.logs[contexts[:, 0], contexts[:, 1]]

    def of(self, labels: tuple[int, ...]) -> float:
        classes = self.logs.shape[2]
        padded = (classes, classes, *labels, classes - 1)
        triples = zip(padded, padded[1:], padded[2:], strict=False)
        return float(sum(self.logs[triple] for triple in triples))


def nothing(labels: tuple[int, ...]) -> float:
    return 0.0


@pytest.mark.parametrize(("weight", "bonus"), [(0, 0), (0, 1.5), (0.7, 0), (1.5, 2), (3, -1)])
@pytest.mark.parametrize(("length", "classes", "beams"), [(5, 3, 63), (4, 4, 121)])
def test_with_enough_beams_it_finds_the_best_of_all_sequences(
    length: int, classes: int, beams: int, weight: float, bonus: float
) -> None:
    logs, steps = random(40, length, classes)
    table = Table(classes)
    of_language: Callable[[tuple[int, ...]], float] = table.of if weight else nothing
    found = ctc.beam_search(logs, steps, beams, table, weight, bonus)
    for row, own, one in zip(logs, steps, found, strict=True):
        chances = of_all(row[:own])
        scores = {
            labels: chance + weight * of_language(labels) + bonus * len(labels)
            for labels, chance in chances.items()
        }
        best = max(scores, key=lambda labels: scores[labels])
        assert tuple(one.ids.tolist()) == best
        assert one.log_probability == pytest.approx(chances[best], abs=1e-6)
        assert one.score == pytest.approx(scores[best], abs=1e-6)


@pytest.mark.parametrize("labels", [1, 2, 20])
def test_a_prefix_adds_up_what_it_was_and_what_it_becomes_again(
    labels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Few beams, so that prefixes are dropped and come again: none is counted twice."""
    monkeypatch.setattr(ctc, "MOST_LABELS", labels)
    logs, steps = random(40, 5, 4, seed=3)
    for beams in (1, 2, 3, 8):
        found = ctc.beam_search(logs, steps, beams)
        for row, own, one in zip(logs, steps, found, strict=True):
            assert one.log_probability <= of_all(row[:own])[tuple(one.ids.tolist())] + 1e-6
    best = ctc.beam_search(logs, steps, 300)
    assert sum(one.score for one in best) >= sum(one.score for one in found)


def test_equal_neighbours_have_a_blank_between() -> None:
    for path, labels in (([0, 2, 0, 1], [0, 0, 1]), ([0, 0, 0, 1], [0, 1]), ([2, 0, 2, 2], [0])):
        logs = np.log(np.eye(CLASSES)[[path]] * 0.97 + 0.01)
        (found,) = ctc.beam_search(logs, np.array([4]), 8)
        assert found.ids.tolist() == labels


def test_examples_do_not_depend_on_their_neighbours() -> None:
    logs, steps = random(9, 12, 30)
    language = ctc.counted(np.random.default_rng(2).integers(0, 29, (50, 8)), np.full(50, 8), 30)
    for model, weight in ((None, 0.0), (language, 0.8)):
        together = ctc.beam_search(logs, steps, 6, model, weight, 0.5)
        for i, expected in enumerate(together):
            more = np.pad(logs[i : i + 1], [(0, 0), (0, 4), (0, 0)])
            (alone,) = ctc.beam_search(more, steps[i : i + 1], 6, model, weight, 0.5)
            np.testing.assert_array_equal(alone.ids, expected.ids)
            assert alone.score == expected.score
    assert ctc.beam_search(logs[:0], steps[:0], 4) == []


def test_without_steps_nothing_is_heard() -> None:
    logs, _ = random(2, 3, 4)
    for one in ctc.beam_search(logs, np.zeros(2, int), 3):
        assert len(one.ids) == 0
        assert one.log_probability == 0


def test_a_large_language_model_is_asked_at_each_step(monkeypatch: pytest.MonkeyPatch) -> None:
    logs, steps = random(5, 6, 4)
    expected = ctc.beam_search(logs, steps, 5, Table(4), 0.9)
    monkeypatch.setattr(ctc, "_TABLE", 0)
    found = ctc.beam_search(logs, steps, 5, Table(4), 0.9)
    for one, other in zip(found, expected, strict=True):
        assert one.ids.tolist() == other.ids.tolist()
        assert one.score == other.score


def test_a_counted_language_model_ends_each_transcript() -> None:
    labels = np.array([[0, 1, 1], [0, 1, 9], [1, 0, 1]])
    model = ctc.counted(labels, np.array([3, 2, 3]), CLASSES + 1)
    end = CLASSES
    texts = np.array([0, 1, 1, end, 0, 1, end, 1, 0, 1, end])
    starts = np.array([1, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0], bool)
    expected = ctc.KneserNey(texts, CLASSES + 1, starts)
    contexts = np.array(list(itertools.product(range(CLASSES + 2), repeat=2)))
    np.testing.assert_array_equal(model.following(contexts), expected.following(contexts))
    # 0 1 ends in two of three.
    assert model.following(np.array([[0, 1]]))[0].argmax() == end


def test_the_alignment_is_the_best_path_that_stands_for_the_labels() -> None:
    logs, steps = random(60, 6, 4, seed=5)
    rng = np.random.default_rng(6)
    labels, counts = rng.integers(0, 3, (60, 3)), rng.integers(0, 4, 60)
    fits = ctc.needed(labels, counts) <= steps
    logs, steps, labels, counts = (array[fits] for array in (logs, steps, labels, counts))
    assert {0, 1, 2, 3} == set(counts.tolist())
    found = ctc.align(logs, steps, labels, counts)
    for row, (own, count) in enumerate(zip(steps, counts, strict=True)):
        wanted = tuple(labels[row, :count].tolist())
        paths = [
            path for path in itertools.product(range(4), repeat=own) if merged(path, 3) == wanted
        ]
        totals = [logs[row, range(own), path].sum(dtype=float) for path in paths]
        runs, start = [], 0
        for label, group in itertools.groupby(paths[int(np.argmax(totals))]):
            after = start + len(list(group))
            runs += [(start, after)] if label != 3 else []
            start = after
        assert list(zip(found.first[row], found.after[row], strict=True))[:count] == runs
        for place, (first, after) in enumerate(runs):
            chances = np.exp(logs[row, first:after, wanted[place]])
            assert found.mean[row, place] == pytest.approx(chances.mean(), rel=1e-6)
            assert found.highest[row, place] == pytest.approx(chances.max(), rel=1e-6)
        for array in (found.first, found.after, found.mean, found.highest):
            assert not array[row, count:].any()


def test_what_has_too_few_steps_is_refused() -> None:
    logs, _ = random(2, 4, 3)
    with pytest.raises(InputError, match="example 1: expected at least 3 steps, as its 2 labels"):
        ctc.align(logs, np.array([4, 2]), np.array([[0, 1], [1, 1]]), np.array([2, 2]))
    empty = ctc.align(logs, np.array([4, 2]), np.zeros((2, 0), int), np.zeros(2, int))
    assert empty.first.shape == (2, 0)
