"""Strings of recordings: words spoken one by one, put together with pauses."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from stages.audio.features import FULL_SCALE
from stages.audio.perturbing import saturated
from stages.errors import InputError


@dataclass(frozen=True)
class Strings:
    """How strings are made.

    Attributes:
        shortest, longest: recordings in a string, each number equally probable.
        pause: seconds, lowest and highest, of the silence before the first recording, between two,
            and behind the last one.
        loudness: dB, largest gain and loss of a recording.
        noise: dB below full scale of white noise all over a string; None for none.

    Raises:
        InputError: if there is no such string.
    """

    shortest: int
    longest: int
    pause: tuple[float, float]
    loudness: float = 0.0
    noise: float | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.shortest <= self.longest:
            raise InputError(
                "expected 1 <= shortest <= longest, received shortest: "
                f"{self.shortest} and longest: {self.longest}: correct them"
            )
        if not 0 <= self.pause[0] <= self.pause[1]:
            raise InputError(
                "expected a pause of at least 0 seconds, the lowest first, received "
                f"{list(self.pause)}: correct it"
            )


class Composed(NamedTuple):
    """One string.

    Attributes:
        samples: (samples,) int16.
        indices: (recordings,) which recordings were put together, in their order.
        bounds: (recordings, 2) the first sample of each and the one after its last.
    """

    samples: np.ndarray
    indices: np.ndarray
    bounds: np.ndarray


def compose(
    samples: Sequence[np.ndarray],
    groups: Sequence[str] | None,
    count: int,
    strings: Strings,
    rate: int,
    rng: np.random.Generator,
) -> list[Composed]:
    """Returns `count` strings, each of recordings of one group.

    Every group is equally probable. Within a group no recording is used again before all others
    were, and each round has another order. What is too loud saturates.

    Args:
        samples: recordings, (samples,) int16 each.
        groups: the group of each recording, as its speaker; None for one group of all.
        rate: samples per second of all recordings.

    Raises:
        InputError: without recordings, or with another number of groups.
    """
    names = np.zeros(len(samples), np.int64) if groups is None else np.asarray(groups)
    if not len(samples) or len(names) != len(samples):
        raise InputError(
            "expected recordings to put together, and a group for each, received "
            f"{len(samples)} recordings and {len(names)} groups: give some"
        )
    order, texture = rng.spawn(2)
    lengths = order.integers(strings.shortest, strings.longest, count, endpoint=True)
    chosen = _choose(names, lengths, order)
    return [
        _join([samples[index] for index in indices], indices, strings, rate, texture)
        for indices in chosen
    ]


def _choose(names: np.ndarray, lengths: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
    """Returns the indices of the recordings of each string."""
    unique, group_of = np.unique(names, return_inverse=True)
    drawn = rng.integers(len(unique), size=len(lengths))
    chosen = np.empty(lengths.sum(), np.int64)
    places = np.repeat(drawn, lengths)
    for group in range(len(unique)):
        members, needed = np.flatnonzero(group_of == group), places == group
        rounds = np.tile(members, (-(-int(needed.sum()) // len(members)), 1))
        chosen[needed] = rng.permuted(rounds, axis=1).ravel()[: needed.sum()]
    ends = np.cumsum(lengths)
    return [chosen[end - length : end] for end, length in zip(ends, lengths, strict=True)]


def _join(
    recordings: list[np.ndarray],
    indices: np.ndarray,
    strings: Strings,
    rate: int,
    rng: np.random.Generator,
) -> Composed:
    """Returns a string of `recordings`."""
    pauses = np.rint(rng.uniform(*strings.pause, len(recordings) + 1) * rate).astype(np.int64)
    lengths = np.array([len(recording) for recording in recordings])
    first = np.cumsum(pauses[:-1]) + np.cumsum(lengths) - lengths
    bounds = np.stack([first, first + lengths], axis=1)
    whole = np.zeros(bounds[-1, 1] + pauses[-1], np.float32)
    decibels = rng.uniform(-strings.loudness, strings.loudness, len(recordings))
    gains = np.float32(10) ** (decibels / 20).astype(np.float32)
    for recording, gain, (start, after) in zip(recordings, gains, bounds, strict=True):
        whole[start:after] = recording * gain
    if strings.noise is not None:
        height = np.float32(FULL_SCALE * 10 ** (-strings.noise / 20))
        whole += height * rng.standard_normal(len(whole), dtype=np.float32)
    return Composed(saturated(whole), indices, bounds)
