"""Variations of recordings: their length, pitch and loudness, computed by hand."""

from typing import Any

import numpy as np
import pytest
from scipy.signal import resample_poly

from stages.audio.features import Spectrum, log_mel
from stages.audio.perturbing import (
    Variation,
    Variations,
    add_noise,
    change_gain,
    change_speed,
    vary,
)
from stages.errors import InputError

RATE = 16000


def tone(hertz: float, samples: int = RATE, height: float = 0.25) -> np.ndarray:
    return (height * np.sin(2 * np.pi * hertz * np.arange(samples) / RATE)).astype(np.float32)


def as_int16(samples: np.ndarray) -> np.ndarray:
    return np.rint(samples * 32768).astype(np.int16)


def decibels(samples: np.ndarray) -> float:
    return 10 * float(np.log10(np.square(samples.astype(float)).mean()))


@pytest.mark.parametrize("speed", [0.9, 1.1, 1.25])
def test_speed_shortens_and_raises_the_pitch(speed: float) -> None:
    made = change_speed(tone(1000), speed)
    assert len(made) == pytest.approx(RATE / speed, abs=1)
    middle = slice(500, len(made) - 500)
    np.testing.assert_allclose(made[middle], tone(1000 * speed, len(made))[middle], atol=1e-3)


def test_speed_equals_a_polyphase_filter() -> None:
    # Noise without high frequencies, of which each filter keeps others.
    noise = np.random.default_rng(3).normal(size=4000) / 8
    low = resample_poly(resample_poly(noise, 1, 2), 2, 1).astype(np.float32)
    expected = resample_poly(low, 10, 11, window=("kaiser", 12.0))
    made = change_speed(low, 1.1)
    middle = slice(200, len(made) - 200)
    difference = made[middle] - expected[: len(made)][middle]
    assert decibels(difference) < decibels(made) - 40


def test_a_speed_of_one_changes_nothing() -> None:
    samples = tone(300)
    assert np.array_equal(change_speed(samples, 1.0), samples)
    assert np.array_equal(change_speed(samples, 1.004), samples)


@pytest.mark.parametrize("gain", [-6.0, 3.5])
def test_gain_is_in_decibels(gain: float) -> None:
    made = change_gain(tone(300), gain)
    assert decibels(made) == pytest.approx(decibels(tone(300)) + gain, abs=1e-4)


@pytest.mark.parametrize("below", [0.0, 20.0])
def test_noise_lies_below_the_recording(below: float) -> None:
    samples = tone(300)
    noise = add_noise(samples, below, np.random.default_rng(5)) - samples
    assert decibels(noise) == pytest.approx(decibels(samples) - below, abs=0.15)
    # White: neighbours do not correlate. Gaussian: 0.27 % lie beyond three deviations.
    assert abs(np.corrcoef(noise[1:], noise[:-1])[0, 1]) < 0.04
    assert 0.001 < (np.abs(noise) > 3 * noise.std()).mean() < 0.005


def test_silence_stays_silent() -> None:
    rng = np.random.default_rng(5)
    assert not add_noise(np.zeros(100, np.int16), 10, rng).any()
    assert len(add_noise(np.zeros(0, np.int16), 10, rng)) == 0


def test_int16_equals_float32_and_saturates() -> None:
    samples, variation = tone(440, height=0.4), Variation(1.1, 1.0, 6.0, 30.0)
    expected = vary(samples, variation, np.random.default_rng(1))
    made = vary(as_int16(samples), variation, np.random.default_rng(1))
    assert made.dtype == np.int16
    np.testing.assert_allclose(made / 32768, expected, rtol=0, atol=2 / 32768)
    loud = change_gain(as_int16(samples), 20.0)
    assert (loud.max(), loud.min()) == (32767, -32768)
    # No overflow: the sign is that of the recording.
    assert ((loud > 0) == (as_int16(samples) > 0)).all()


def test_the_same_seed_gives_the_same_variation() -> None:
    drawn = [Variations().draw(np.random.default_rng(seed)) for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
    noisy = [add_noise(tone(300), 10, np.random.default_rng(seed)) for seed in (1, 1, 2)]
    assert np.array_equal(noisy[0], noisy[1])
    assert not np.array_equal(noisy[0], noisy[2])


def test_drawn_variations_fill_their_ranges() -> None:
    rng = np.random.default_rng(4)
    drawn = [Variations(noise=(10, 30)).draw(rng) for _ in range(3000)]
    for speed in (0.9, 1.0, 1.1):
        assert sum(one.speed == speed for one in drawn) == pytest.approx(1000, abs=120)
    assert {one.warp for one in drawn} == {round(0.9 + 0.01 * step, 2) for step in range(21)}
    gains, noise = [one.gain for one in drawn], [one.noise for one in drawn if one.noise]
    assert (min(gains), max(gains)) == pytest.approx((-6, 6), abs=0.05)
    assert (min(noise), max(noise)) == pytest.approx((10, 30), abs=0.05)
    assert len(noise) == 3000


def test_an_empty_range_leaves_the_other_ones() -> None:
    some, all_ = (
        given.draw(np.random.default_rng(9))
        for given in (Variations(warp=0, gain=0), Variations(noise=(0, 9)))
    )
    assert some == Variation(all_.speed, 1.0, 0.0, None)


def test_a_warp_is_left_to_the_features() -> None:
    samples = tone(440)
    variation = Variation(warp=1.1)
    assert np.array_equal(vary(samples, variation, np.random.default_rng(0)), samples)
    made = [log_mel(samples, Spectrum(RATE), warp).mean(0).argmax() for warp in (1.1, 1.0)]
    assert made[0] < made[1]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"speeds": ()}, r"received speeds: \[\]"),
        ({"speeds": (1.0, 0.0)}, r"received speeds: \[1.0, 0.0\]"),
        ({"warp": 0.5}, r"warp: 0\.5"),
        ({"gain": -1.0}, r"gain: -1\.0"),
    ],
)
def test_no_such_variations(given: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Variations(**given)
