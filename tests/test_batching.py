"""The order of an epoch: every example once, like lengths together, few shapes, the same for a
seed."""

import itertools
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages import batching
from stages.batching import MAX_SHAPES, Batch, Chunk, cut_ahead, padded, padded_lengths


class Source:
    """Examples that hold their own number, and a mask that counts their steps."""

    def __init__(self, lengths: list[int] | np.ndarray | None, count: int = 0) -> None:
        self.lengths = None if lengths is None else np.array(lengths)
        self.streams: int | None = None
        self.count = count if lengths is None else len(lengths)

    def __len__(self) -> int:
        return self.count

    def cut(self, indices: np.ndarray, length: int | None = None) -> Batch:
        mask = np.ones((len(indices), 1), np.float32)
        if self.lengths is not None:
            assert length is not None
            mask = (np.arange(length) < self.lengths[indices, None]).astype(np.float32)
        return {"inputs": {"x": indices, "other": indices}, "targets": indices, "mask": mask}


def plan(source: Source, seed: int | None, batch_size: int = 4, batches: int = 3) -> list[Chunk]:
    rng = None if seed is None else np.random.default_rng(seed)
    return batching.plan(source, batch_size, batches, rng)


LENGTHS = st.one_of(st.none(), st.lists(st.integers(0, 500), min_size=1, max_size=80))


@given(LENGTHS, st.integers(1, 80), st.integers(1, 9), st.integers(1, 5), st.integers(0, 9))
def test_an_epoch_holds_each_example_once_in_as_many_batches_as_it_takes(
    lengths: list[int] | None, count: int, batch_size: int, batches: int, seed: int
) -> None:
    source = Source(lengths, count)
    for shuffled in (seed, None):
        chunks = plan(source, shuffled, batch_size, batches)
        order = np.concatenate([chunk.indices for chunk in chunks])
        assert sorted(order.tolist()) == list(range(len(source)))
        sizes = [-(-len(chunk.indices) // batch_size) for chunk in chunks]
        assert max(sizes) <= batches
        assert sum(sizes) == -(-len(source) // batch_size)
        assert sum(len(chunk.indices) % batch_size > 0 for chunk in chunks) <= 1


@given(st.lists(st.integers(0, 500), min_size=1, max_size=80), st.integers(0, 9))
def test_batches_hold_like_lengths_and_have_few_shapes(lengths: list[int], seed: int) -> None:
    source = Source(lengths)
    chunks = plan(source, seed)
    assert len({chunk.length for chunk in chunks}) <= MAX_SHAPES
    for chunk in chunks:
        # A batch may hold the last examples of shorter ones, if they fill no batch of their own.
        needed = padded_lengths(np.array(lengths))[chunk.indices]
        batches = np.split(needed, range(4, len(needed), 4))
        assert all(batch.max() == chunk.length for batch in batches)
    mixed = [
        batch
        for chunk in chunks
        for batch in np.split(chunk.indices, range(4, len(chunk.indices), 4))
        if len(np.unique(padded_lengths(np.array(lengths))[batch])) > 1
    ]
    assert len(mixed) < MAX_SHAPES


@given(st.lists(st.integers(0, 5000), min_size=1, max_size=200))
def test_the_lengths_padded_to_are_few_and_none_is_shorter_than_its_example(
    lengths: list[int],
) -> None:
    longer = padded_lengths(np.array(lengths))
    assert (longer >= lengths).all()
    assert longer.max() == max(*lengths, 1)
    assert len(np.unique(longer)) <= MAX_SHAPES


def test_the_lengths_padded_to_need_the_least_padding() -> None:
    for seed in range(5):
        lengths = np.random.default_rng(seed).integers(1, 40, 12)
        distinct = np.unique(lengths)
        best = min(
            np.array(grid)[np.searchsorted(grid, lengths)].sum()
            for grid in itertools.combinations(distinct, MAX_SHAPES)
            if grid[-1] == distinct[-1]
        )
        assert len(distinct) > MAX_SHAPES
        assert padded_lengths(lengths).sum() == best


def test_equal_lengths_are_one_shape_without_padding() -> None:
    assert {chunk.length for chunk in plan(Source([7] * 30), 1)} == {7}


def test_an_order_without_lengths_is_a_plain_permutation() -> None:
    order = np.concatenate([chunk.indices for chunk in plan(Source(None, 50), 3)])
    np.testing.assert_array_equal(order, np.random.default_rng(3).permutation(50))
    assert [chunk.indices.tolist() for chunk in plan(Source(None, 5), None, 2, 1)] == [
        [0, 1],
        [2, 3],
        [4],
    ]


def test_a_seed_decides_the_order_and_shapes_of_chunks_stay_for_all() -> None:
    source = Source(np.random.default_rng(0).integers(1, 90, 200))
    first, again, other = plan(source, 1), plan(source, 1), plan(source, 2)
    for one, two in zip(first, again, strict=True):
        np.testing.assert_array_equal(one.indices, two.indices)
    assert [chunk.length for chunk in first] != [chunk.length for chunk in other]
    shapes = [
        sorted((chunk.length or 0, len(chunk.indices)) for chunk in chunks)
        for chunks in (first, other)
    ]
    assert shapes[0] == shapes[1]
    assert len(shapes[0]) > MAX_SHAPES
    members = [{tuple(sorted(chunk.indices)) for chunk in chunks} for chunks in (first, other)]
    assert not members[0] & members[1]


def test_streams_cannot_have_lengths() -> None:
    source = Source([1, 2, 3])
    source.streams = 1
    with pytest.raises(ValueError, match="expected streams of one length"):
        plan(source, 1)


def test_batches_are_cut_with_their_length_and_filled_up_with_what_does_not_count() -> None:
    source = Source([2, 2, 5, 5, 5])
    chunks = plan(source, None, 2, 2)
    with ThreadPoolExecutor(1) as ahead:
        short, long = cut_ahead(source, chunks, 2, ["x", "absent"], ahead)
    assert list(short["inputs"]) == ["x"]
    np.testing.assert_array_equal(short["targets"], [[0, 1]])
    np.testing.assert_array_equal(short["mask"], np.ones((1, 2, 2)))
    np.testing.assert_array_equal(long["targets"], [[2, 3], [4, 2]])
    np.testing.assert_array_equal(long["mask"].sum(-1), [[5, 5], [5, 0]])


def test_examples_of_different_lengths_are_cut_from_one_array() -> None:
    values = np.array([[1.0], [2], [3], [4], [5]])
    cut, own = padded(values, np.array([3, 0, 5]), np.array([2, 3, 0]), 4)
    np.testing.assert_array_equal(cut[..., 0], [[4, 5, 0, 0], [1, 2, 3, 0], [0, 0, 0, 0]])
    np.testing.assert_array_equal(own.sum(1), [2, 3, 0])
