"""Strings of recordings: what they hold, where, and how often."""

import numpy as np
import pytest

from stages.audio.strings import Composed, Strings, compose
from stages.errors import InputError

RATE = 8000
# Recording i holds nothing but i + 1 and is 20 + i long.
POOL = [np.full(20 + index, index + 1, np.int16) for index in range(30)]
SPEAKERS = [("ann", "bob", "eve")[index % 3] for index in range(30)]
PLAIN = Strings(2, 5, (0.01, 0.02))


def made(strings: Strings = PLAIN, count: int = 40, seed: int = 1) -> list[Composed]:
    return compose(POOL, SPEAKERS, count, strings, RATE, np.random.default_rng(seed))


def test_bounds_hold_the_recordings_and_nothing_lies_outside() -> None:
    for samples, indices, bounds in made():
        assert samples.dtype == np.int16
        expected = np.zeros_like(samples)
        for index, (first, after) in zip(indices, bounds, strict=True):
            expected[first:after] = POOL[index]  # fails unless the lengths agree
        assert np.array_equal(samples, expected)


def test_pauses_lie_before_between_and_behind() -> None:
    pauses = np.concatenate(
        [
            np.append(bounds[:, 0], len(samples)) - np.append(0, bounds[:, 1])
            for samples, _, bounds in made(count=200)
        ]
    )
    assert (pauses.min(), pauses.max()) == (80, 160)
    assert pauses.mean() == pytest.approx(120, abs=3)


def test_lengths_are_equally_probable() -> None:
    lengths = [len(indices) for _, indices, _ in made(count=1000)]
    for length in (2, 3, 4, 5):
        assert lengths.count(length) == pytest.approx(250, abs=50)


def test_groups_are_not_mixed_and_equally_probable() -> None:
    speakers = [{SPEAKERS[index] for index in indices} for _, indices, _ in made(count=900)]
    assert all(len(names) == 1 for names in speakers)
    for name in ("ann", "bob", "eve"):
        assert speakers.count({name}) == pytest.approx(300, abs=60)


def test_groups_of_other_sizes_are_equally_probable() -> None:
    groups = ["few"] * 3 + ["many"] * 27
    drawn = compose(POOL, groups, 400, PLAIN, RATE, np.random.default_rng(1))
    few = sum(indices[0] < 3 for _, indices, _ in drawn)
    assert few == pytest.approx(200, abs=40)


def test_every_recording_is_used_about_equally_often() -> None:
    used = np.concatenate([indices for _, indices, _ in made(count=100)])
    for name in ("ann", "bob", "eve"):
        of_speaker = [index for index in range(30) if SPEAKERS[index] == name]
        times = np.bincount(used, minlength=30)[of_speaker]
        assert times.min() > 0
        assert times.max() - times.min() <= 1


def test_without_groups_all_recordings_are_one() -> None:
    [string] = compose(POOL, None, 1, Strings(30, 30, (0, 0)), RATE, np.random.default_rng(1))
    assert sorted(string.indices) == list(range(30))
    assert list(string.indices) != list(range(30))
    assert len(string.samples) == sum(map(len, POOL))


@pytest.mark.parametrize("count", [0, 1])
def test_few_strings(count: int) -> None:
    assert len(made(count=count)) == count


def test_the_seed_decides() -> None:
    noisy = Strings(2, 5, (0.01, 0.02), 6.0, 60.0)
    first, same, other = (made(noisy, seed=seed) for seed in (1, 1, 2))
    for one, two in zip(first, same, strict=True):
        assert all(np.array_equal(left, right) for left, right in zip(one, two, strict=True))
    assert any(not np.array_equal(one[1], two[1]) for one, two in zip(first, other, strict=True))


def test_noise_leaves_the_choice_as_it_is() -> None:
    quiet, noisy = made(), made(Strings(2, 5, (0.01, 0.02), 0.0, 60.0))
    for one, two in zip(quiet, noisy, strict=True):
        assert np.array_equal(one.indices, two.indices)


def test_loudness_is_the_gain_of_each_recording() -> None:
    pool = [np.full(100, 1000, np.int16)] * 4
    strings = compose(pool, None, 200, Strings(4, 4, (0, 0), 6), RATE, np.random.default_rng(1))
    heights = np.concatenate([samples.reshape(4, 100) for samples, _, _ in strings])
    assert (heights == heights[:, :1]).all()
    decibels = 20 * np.log10(heights[:, 0] / 1000)
    assert (decibels.min(), decibels.max()) == pytest.approx((-6, 6), abs=0.1)
    assert decibels.mean() == pytest.approx(0, abs=0.5)


def test_noise_lies_below_full_scale() -> None:
    pool = [np.zeros(40_000, np.int16)]
    [string] = compose(pool, None, 1, Strings(1, 1, (1, 1), 0, 40), RATE, np.random.default_rng(1))
    assert len(string.samples) == 56_000
    assert string.samples.std() == pytest.approx(327.68, rel=0.02)
    assert string.samples[:8000].std() == pytest.approx(327.68, rel=0.04)


def test_what_is_too_loud_saturates() -> None:
    pool = [np.array([30_000, -30_000, 10_000, 0], np.int16)]
    strings = compose(pool, None, 300, Strings(1, 1, (0, 0), 6), RATE, np.random.default_rng(1))
    all_samples = np.stack([samples for samples, _, _ in strings])
    assert (all_samples.max(), all_samples.min()) == (32767, -32768)
    assert (all_samples[:, 0] > 0).all()
    assert (all_samples[:, 1] < 0).all()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((0, 3, (0, 0)), "received shortest: 0 and longest: 3"),
        ((4, 3, (0, 0)), "received shortest: 4 and longest: 3"),
        ((1, 1, (0.2, 0.1)), r"received \[0.2, 0.1\]"),
        ((1, 1, (-1, 0)), r"received \[-1, 0\]"),
    ],
)
def test_no_such_string(given: tuple[int, int, tuple[float, float]], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Strings(*given)


@pytest.mark.parametrize(("pool", "groups"), [([], None), (POOL, ["ann"])])
def test_recordings_and_groups_have_to_be_there(
    pool: list[np.ndarray], groups: list[str] | None
) -> None:
    with pytest.raises(InputError, match="expected recordings to put together"):
        compose(pool, groups, 1, PLAIN, RATE, np.random.default_rng(1))
