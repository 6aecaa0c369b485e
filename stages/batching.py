"""Which examples make a batch, in which order batches come, and how they are cut ahead of their
use. Imports no TensorFlow.

A chunk is what one call of a compiled loop takes: several batches of one shape. Where examples
differ in length, a batch holds examples of like length, and few lengths occur in all, as a network
is compiled anew for each shape.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from typing import Any, NotRequired, Protocol, TypedDict

import numpy as np

# Each shape costs seconds to compile; more shapes mean less padding.
MAX_SHAPES = 4
# Of so many lengths at most, quantiles of those that occur, the shapes are chosen.
_CANDIDATES = 257


class Batch(TypedDict):
    """Some examples; the first axis of all arrays is the example.

    inputs: the network's inputs by name; those that it lacks are ignored.
    targets: an array, or nested dictionaries of arrays, as the loss takes them. They must be valid
        where the mask is 0 as well: 0 times NaN is NaN. None to predict from.
    mask: float32, 0 for what counts in no loss, such as padding. The batch that ends an epoch is
        filled up with examples whose mask is 0.
    given: arrays by name that the loss takes besides.
    carried: (batch,) float32, 0 where training starts from a state of zero although an example
        came before.
    """

    inputs: dict[str, np.ndarray]
    targets: NotRequired[Any]
    mask: np.ndarray
    given: NotRequired[dict[str, np.ndarray]]
    carried: NotRequired[np.ndarray]


class Batches(Protocol):
    """A source of examples: how many there are, and any of them as a batch.

    A source whose examples differ in length tells `lengths`. Padding must then change nothing: the
    batch's `mask` is 0 there, and the network leaves padded steps out, as the recurrent layers do
    with a mask. It comes from the inputs, by `Embedding(mask_zero=True)` or `Masking`, which hand
    it on, or as an input of its own that is given to `recurrent.apply`. What mixes steps in other
    ways, such as a convolution, a mean over time or attention, has to apply the mask itself.

    Attributes:
        streams: where an example continues another one, how many streams there are side by side:
            example e is followed by e + streams. Such examples are read in their order, `streams`
            in a batch, and the network's state is carried. None: each stands alone.
        lengths: (examples,) the steps of each example; None: all have the same, as in streams.
    """

    @property
    def streams(self) -> int | None: ...

    @property
    def lengths(self) -> np.ndarray | None: ...

    def __len__(self) -> int: ...

    def cut(self, indices: np.ndarray, length: int | None = None) -> Batch:
        """Returns the examples `indices`, padded to `length` steps, which is at least the longest
        one's; None: to the longest one's."""
        ...


@dataclass(frozen=True)
class Chunk:
    """The examples of some batches, the last of which may be incomplete, and the length to which
    they are padded; None where all have the same."""

    indices: np.ndarray
    length: int | None


def plan(
    batches: Batches,
    batch_size: int,
    batches_per_chunk: int,
    rng: np.random.Generator | None = None,
) -> list[Chunk]:
    """Returns the chunks of one pass over all examples, each of which is in one of them.

    Without lengths examples come in their order, or as `rng` shuffles them. With lengths they are
    sorted by the length to which they are padded, and within it shuffled, before they are divided
    into batches; then `rng` shuffles the chunks. So the number of batches is the same either way,
    and the number and the shapes of chunks are the same for any `rng`.
    """
    size, count = batch_size * batches_per_chunk, len(batches)
    order = np.arange(count) if rng is None or batches.streams else rng.permutation(count)
    if batches.lengths is None:
        return _chunks(order, size, None)
    if batches.streams:
        raise ValueError("expected streams of one length, received both streams and lengths")
    lengths = padded_lengths(batches.lengths)
    order = order[np.argsort(lengths[order], kind="stable")]
    # The last example of a batch is its longest.
    batch_lengths = np.append(lengths[order[batch_size - 1 :: batch_size]], lengths[order[-1]])
    batch_lengths = batch_lengths[: -(-count // batch_size)]
    chunks = []
    for length in np.unique(batch_lengths):
        first, last = np.searchsorted(batch_lengths, [length, length + 1]) * batch_size
        chunks += _chunks(order[first:last], size, int(length))
    return chunks if rng is None else [chunks[index] for index in rng.permutation(len(chunks))]


def _chunks(order: np.ndarray, size: int, length: int | None) -> list[Chunk]:
    return [Chunk(order[start : start + size], length) for start in range(0, len(order), size)]


def padded_lengths(lengths: np.ndarray) -> np.ndarray:
    """Returns the length to which each example is padded: of up to `MAX_SHAPES` lengths the next
    one. They are those that need the least padding in all.

    Dynamic programming over the last length of a group: `cost[j]` is the number of steps of all
    examples up to length j, padded, in as many groups as there were rounds.
    """
    known = np.maximum(lengths, 1)
    ends = np.unique(np.quantile(known, np.linspace(0, 1, _CANDIDATES), method="higher"))
    counts = np.bincount(np.searchsorted(ends, known))
    before = np.concatenate([[0], np.cumsum(counts)])
    # The steps of a group from length i to length j, (i, j)
    group = np.where(
        np.tri(len(ends)).T > 0, ends * (before[None, 1:] - before[:-1, None]).astype(float), np.inf
    )
    cost, firsts = group[0], []
    for _ in range(min(MAX_SHAPES, len(ends)) - 1):
        total = np.append(0, cost[:-1])[:, None] + group
        firsts.append(total.argmin(0))
        cost = total.min(0)
    last, grid = len(ends) - 1, [ends[-1]]
    for first in reversed(firsts):
        last = first[last] - 1
        if last < 0:
            break
        grid.append(ends[last])
    shapes = np.sort(grid)
    return shapes[np.searchsorted(shapes, known)]


def padded(
    values: np.ndarray, starts: np.ndarray, lengths: np.ndarray, length: int
) -> tuple[np.ndarray, np.ndarray]:
    """Cuts examples of different lengths from one array in which they stand one after another.

    Args:
        values: (steps of all examples, ...).
        starts, lengths: (examples,) the first step and the number of steps of each.

    Returns:
        (examples, length, ...), 0 behind an example's own steps; and (examples, length) bool, True
        for its own.
    """
    steps = np.arange(length)
    own = steps < lengths[:, None]
    cut = values[np.where(own, starts[:, None] + steps, 0)]
    cut[~own] = 0
    return cut, own


def samples(batches: Batches, chunks: Sequence[Chunk], names: Sequence[str]) -> list[Batch]:
    """Returns the first example of a chunk of each length, as `cut_ahead` would give it; none where
    all have the same length."""
    firsts = {chunk.length: chunk.indices[:1] for chunk in chunks if chunk.length is not None}
    return [_cut(batches, Chunk(first, length), 1, names) for length, first in firsts.items()]


def cut_ahead(
    batches: Batches,
    chunks: Sequence[Chunk],
    batch_size: int,
    names: Sequence[str],
    ahead: Executor,
) -> Iterator[Batch]:
    """Yields the batches of each chunk as one, with arrays of shape (batches, batch_size, ...) and
    only the inputs `names`. `ahead` cuts the next ones while these are used."""
    following: Future[Batch] | None = None
    for index in range(len(chunks)):
        current = following or ahead.submit(_cut, batches, chunks[index], batch_size, names)
        arrays = current.result()
        if index + 1 < len(chunks):
            following = ahead.submit(_cut, batches, chunks[index + 1], batch_size, names)
        yield arrays


def _cut(batches: Batches, chunk: Chunk, batch_size: int, names: Sequence[str]) -> Batch:
    indices, count = chunk.indices, len(chunk.indices)
    missing = -count % batch_size
    if missing:
        indices = np.concatenate([indices, np.repeat(indices[:1], missing)])
    batch = batches.cut(indices) if chunk.length is None else batches.cut(indices, chunk.length)
    batch["inputs"] = {name: batch["inputs"][name] for name in names if name in batch["inputs"]}
    if missing:
        batch["mask"][count:] = 0
    return _map(lambda array: array.reshape(-1, batch_size, *array.shape[1:]), batch)


def _map(function: Callable[[np.ndarray], np.ndarray], arrays: Any) -> Any:
    """Applies `function` to each array of nested dictionaries."""
    if isinstance(arrays, dict):
        return {name: _map(function, value) for name, value in arrays.items()}
    return function(arrays)
