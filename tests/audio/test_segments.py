"""Stretches of speech, and vectors of words against a loop over their definition."""

import math

import numpy as np
import pytest

from stages.audio.features import Spectrum, log_mel
from stages.audio.segments import extents, fixed, segments
from stages.audio.strings import Strings, compose
from stages.errors import InputError

RNG = np.random.default_rng(2)
FEATURES = RNG.normal(size=(60, 20)).astype(np.float32)


def of(energies: str) -> np.ndarray:
    """Returns features of frames with these energies, a digit each."""
    return np.array([[float(digit)] * 4 for digit in energies], np.float32)


@pytest.mark.parametrize(
    ("energies", "expected"),
    [
        ("0009990000999900", [(3, 6), (10, 14)]),
        ("9990000000000999", [(0, 3), (13, 16)]),
        ("0009909990000000", [(3, 9)]),  # a pause of one frame
        ("0009900999000000", [(3, 5), (7, 10)]),  # of two
        ("0009000099900000", [(8, 11)]),  # a word of one frame
        ("0000080000900000", [(10, 11)]),  # none is long enough: the loudest
        ("0000009000080000", [(6, 7)]),
        ("5555555555555555", [(0, 16)]),
        ("7", [(0, 1)]),
    ],
)
def test_stretches_of_speech(energies: str, expected: list[tuple[int, int]]) -> None:
    made = segments(of(energies), 0.5, shortest_pause=2, shortest_word=2)
    assert made.tolist() == [list(pair) for pair in expected]


def test_the_threshold_lies_between_quiet_and_loud() -> None:
    # Of 21 frames 0 to 20 the 10th percentile is 2 and the 95th is 19: half of the way is 10.5.
    ramp = np.repeat(np.arange(21, dtype=np.float32)[:, None], 3, axis=1)
    for threshold, first in ((0.5, 11), (0.0, 2), (1.0, 19)):
        assert segments(ramp, threshold, 1, 1).tolist() == [[first, 21]]


def test_words_of_a_string_are_found() -> None:
    pool = [(RNG.normal(size=4000) * 3000).astype(np.int16) for _ in range(5)]
    strings = Strings(3, 6, (0.2, 0.4), loudness=3, noise=60)
    for samples, _, bounds in compose(pool, None, 10, strings, 8000, np.random.default_rng(3)):
        found = segments(log_mel(samples, Spectrum(8000)), 0.5, 10, 10)
        assert len(found) == len(bounds)
        np.testing.assert_allclose(found * 80, bounds, atol=250)


@pytest.mark.parametrize(
    ("energies", "marks", "expected"),
    [
        ("0009990009990", [(4, 5), (9, 10)], [(3, 6), (9, 12)]),
        ("0009996999000", [(3, 4), (8, 10)], [(3, 6), (6, 10)]),  # divided where it is quietest
        ("0099000000999", [(5, 6), (11, 12)], [(2, 4), (10, 13)]),  # known behind its sound
        ("9999999999999", [(2, 3), (3, 4)], [(0, 3), (3, 13)]),
        ("0000000000099", [(1, 2), (3, 4), (11, 12)], [(1, 2), (3, 4), (11, 13)]),  # no speech
        ("0990000990000", [(7, 8)], [(7, 9)]),  # not the word before, which is not known
        ("0990000990000", [(4, 5)], [(1, 3)]),  # the nearest one
        ("0990990000000", [(1, 2)], [(1, 6)]),  # a short pause is within a word
        ("0990009900099", [(2, 7)], [(1, 8)]),  # known in two stretches
        ("0001110", [], []),
    ],
)
def test_words_reach_as_far_as_their_energy(
    energies: str, marks: list[tuple[int, int]], expected: list[tuple[int, int]]
) -> None:
    known = np.array(marks, np.int64).reshape(-1, 2)
    assert extents(of(energies), known, 0.5, 2).tolist() == [list(pair) for pair in expected]


def looped(
    features: np.ndarray, first: int, after: int, points: int, coefficients: int
) -> list[float]:
    bands, made = features.shape[1], []
    for point in range(points):
        position = first + (after - 1 - first) * point / (points - 1)
        part = position - math.floor(position)
        frame = features[math.floor(position)] * (1 - part)
        if part:
            frame = frame + features[math.floor(position) + 1] * part
        for order in range(coefficients):
            cosines = [math.cos(math.pi * order * (band + 0.5) / bands) for band in range(bands)]
            made.append(frame @ cosines * math.sqrt((2 if order else 1) / bands))
    return made


def test_vectors_equal_a_loop() -> None:
    first, after = np.array([0, 7, 30, 59, 0]), np.array([7, 30, 32, 60, 60])
    made = fixed(FEATURES, first, after, points=9, coefficients=13)
    assert made.dtype == np.float32
    expected = [
        looped(FEATURES.astype(float), start, end, 9, 13)
        for start, end in zip(first, after, strict=True)
    ]
    np.testing.assert_allclose(made, expected, atol=1e-5)


def test_one_word_equals_the_same_among_many() -> None:
    many = fixed(FEATURES, np.array([3, 20]), np.array([11, 50]))
    assert np.array_equal(fixed(FEATURES, 20, 50), many[1])
    assert many.shape == (2, 12 * 13)


def test_a_slower_word_has_the_same_vector() -> None:
    line = np.linspace([0, 3, 1, 2], [2, 1, 5, 0], 11).astype(np.float32)
    slow = np.linspace([0, 3, 1, 2], [2, 1, 5, 0], 31).astype(np.float32)
    np.testing.assert_allclose(
        fixed(line, 0, 11, coefficients=4), fixed(slow, 0, 31, coefficients=4), atol=1e-5
    )


@pytest.mark.parametrize(("first", "after"), [(5, 5), (50, 61), (-1, 4)])
def test_words_lie_in_the_recording(first: int, after: int) -> None:
    with pytest.raises(InputError, match="received one that is empty or ends later"):
        fixed(FEATURES, first, after)


def test_not_more_coefficients_than_bands() -> None:
    with pytest.raises(InputError, match="expected 1 to 20 coefficients"):
        fixed(FEATURES, 0, 9, coefficients=21)


def test_thresholds_are_parts() -> None:
    with pytest.raises(InputError, match=r"received 1\.5 and 60 frames"):
        segments(FEATURES, 1.5, 1, 1)
