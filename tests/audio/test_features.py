"""Log-mel spectra against Keras's layer and a loop in float64."""

import math
import tracemalloc

import numpy as np
import pytest

from stages.audio import features
from stages.audio.features import FLOOR, Spectrum, frames_of, log_mel
from stages.errors import InputError

SPECTRUM = Spectrum(16000)
NOISE = (np.random.default_rng(1).normal(size=16000) / 8).astype(np.float32)
SILENCE = math.log(FLOOR)


def tone(hertz: float, rate: int = 16000, samples: int = 8000, height: float = 0.5) -> np.ndarray:
    return (height * np.sin(2 * np.pi * hertz * np.arange(samples) / rate)).astype(np.float32)


def centres(spectrum: Spectrum) -> list[float]:
    """Returns the centre of each band in Hz."""
    first, last = (1127.0105 * math.log1p(hz / 700) for hz in (spectrum.lowest, spectrum.top))
    step = (last - first) / (spectrum.bands + 1)
    return [
        700 * math.expm1((first + step * (band + 1)) / 1127.0105) for band in range(spectrum.bands)
    ]


def looped(samples: np.ndarray, spectrum: Spectrum) -> np.ndarray:
    """Returns the spectrum by its definition, one band of one frame after the other."""
    length, hop, size = spectrum.window_length, spectrum.hop_length, spectrum.fft_length
    hann = np.array([math.sin(math.pi * n / length) ** 2 for n in range(length)])
    waves = np.exp(-2j * np.pi * np.outer(np.arange(size // 2 + 1), np.arange(length)) / size)
    mels = [1127.0105 * math.log1p(k * spectrum.rate / size / 700) for k in range(size // 2 + 1)]
    first, last = (1127.0105 * math.log1p(hz / 700) for hz in (spectrum.lowest, spectrum.top))
    step = (last - first) / (spectrum.bands + 1)
    rows = []
    for start in range(0, len(samples) - length + 1, hop):
        power = (
            np.abs(waves @ (hann * samples[start : start + length])) ** 2 / (hann.sum() / 2) ** 2
        )
        energies = []
        for band in range(spectrum.bands):
            centre = first + step * (band + 1)
            weights = [max(0.0, 1 - abs(mel - centre) / step) for mel in mels]
            energies.append(np.dot(weights[1:], power[1:]))
        rows.append(np.log(np.maximum(energies, FLOOR)))
    return np.array(rows)


@pytest.mark.parametrize(
    "spectrum",
    [
        SPECTRUM,
        Spectrum(8000, bands=23, lowest=64, highest=3800),
        Spectrum(11025, window=0.032, hop=0.0125, bands=64),
    ],
    ids=lambda spectrum: spectrum.rate,
)
@pytest.mark.parametrize("sound", ["noise", "tones"])
def test_features_equal_a_loop(spectrum: Spectrum, sound: str) -> None:
    tones = sum(tone(hz, spectrum.rate, 3000, 0.2) for hz in (220, 1000, 3333.3))
    samples = NOISE[:3000] if sound == "noise" else tones + NOISE[:3000] / 30
    made = log_mel(samples, spectrum)
    assert made.dtype == np.float32
    assert made.shape == (frames_of(3000, spectrum), spectrum.bands)
    np.testing.assert_allclose(made, looped(samples.astype(float), spectrum), atol=1e-4)


@pytest.mark.slow
def test_features_equal_keras() -> None:
    import keras

    layer = keras.layers.MelSpectrogram(
        fft_length=512,
        sequence_stride=160,
        sequence_length=400,
        num_mel_bins=40,
        power_to_db=False,
    )
    # Keras centres frames: frame 2 of what is 120 samples later begins at 2 * 160 - 200 - 120.
    energies = np.asarray(layer(np.pad(NOISE, (120, 0))[None]))[0].T[2:]
    expected = np.log(energies) - 2 * math.log(100)  # half of the sum of a Hann window of 400
    made = log_mel(NOISE, SPECTRUM)
    np.testing.assert_allclose(made, expected[: len(made)], atol=1e-4)


@pytest.mark.parametrize("band", [0, 7, 25, 39])
def test_a_tone_at_full_scale_peaks_at_zero_in_its_band(band: int) -> None:
    # A long window holds many frequencies, one of them close to the centre of the band.
    spectrum = Spectrum(16000, window=0.256)
    hertz = round(centres(spectrum)[band] * 4096 / 16000) * 16000 / 4096
    made = log_mel(tone(hertz, height=1.0), spectrum)
    assert (made.argmax(axis=1) == band).all()
    # A Hann window spreads a tone over three frequencies, which together hold 1.5 of its power.
    assert made.max() == pytest.approx(math.log(1.5), abs=0.15)


def test_twice_the_amplitude_adds_the_logarithm_of_four() -> None:
    np.testing.assert_allclose(
        log_mel(2 * NOISE, SPECTRUM), log_mel(NOISE, SPECTRUM) + math.log(4), atol=1e-5
    )


def test_int16_counts_as_parts_of_full_scale() -> None:
    samples = (NOISE * 32768).astype(np.int16)
    expected = log_mel(samples.astype(np.float32) / 32768, SPECTRUM)
    assert np.array_equal(log_mel(samples, SPECTRUM), expected)


@pytest.mark.parametrize("dtype", [np.int16, np.float32])
def test_silence_is_the_floor(dtype: type) -> None:
    made = log_mel(np.zeros(1000, dtype), SPECTRUM)
    np.testing.assert_allclose(made, SILENCE, rtol=1e-6)


@pytest.mark.parametrize(
    ("samples", "frames"), [(0, 1), (1, 1), (400, 1), (559, 1), (560, 2), (720, 3), (16000, 98)]
)
def test_frames_lie_wholly_in_the_recording(samples: int, frames: int) -> None:
    assert frames_of(samples, SPECTRUM) == frames
    assert log_mel(NOISE[:samples], SPECTRUM).shape == (frames, 40)


def test_a_short_recording_is_padded_with_zeros_to_one_window() -> None:
    padded = np.concatenate([NOISE[:250], np.zeros(150, np.float32)])
    assert np.array_equal(log_mel(NOISE[:250], SPECTRUM), log_mel(padded, SPECTRUM))
    # What follows the last whole frame has no effect.
    assert np.array_equal(log_mel(NOISE[:559], SPECTRUM), log_mel(NOISE[:400], SPECTRUM))


@pytest.mark.parametrize("block", [1, 2, 7, 97])
def test_blocks_change_nothing(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = log_mel(NOISE, SPECTRUM)
    monkeypatch.setattr(features, "BLOCK", block)
    assert np.array_equal(log_mel(NOISE, SPECTRUM), whole)


def test_a_long_recording_needs_little_memory() -> None:
    samples = np.tile((NOISE * 32768).astype(np.int16), 600)  # ten minutes
    log_mel(samples[:400], SPECTRUM)
    tracemalloc.start()
    made = log_mel(samples, SPECTRUM)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak - made.nbytes < 8e6


@pytest.mark.parametrize("warp", [0.9, 1.1])
def test_a_warp_moves_the_bands(warp: float) -> None:
    spectrum = Spectrum(16000, window=0.256)
    for band in (10, 25, 30):
        hertz = centres(spectrum)[band] * warp
        assert log_mel(tone(hertz), spectrum, warp)[0].argmax() == band
        assert log_mel(tone(hertz), spectrum)[0].argmax() != band
    assert np.array_equal(log_mel(NOISE, spectrum, warp + 0.004), log_mel(NOISE, spectrum, warp))


def test_a_warp_is_a_factor_below_its_boundary_and_keeps_the_end() -> None:
    hertz = np.array([0, 1000, 6400 / 1.1, 8000 / 1.1, 8000])
    # 1.1 up to 0.8 * 8000 / 1.1 Hz, from there on the line from (5818, 6400) to (8000, 8000).
    expected = [0, 1100, 6400, 8000 - (8000 - 8000 / 1.1) * 1600 / (8000 - 6400 / 1.1), 8000]
    np.testing.assert_allclose(features._warped(hertz, 1.1, 8000), expected)
    hertz = np.array([0, 1000, 6400, 7200, 8000])
    expected = [0, 900, 5760, 8000 - 800 * (8000 - 5760) / 1600, 8000]
    np.testing.assert_allclose(features._warped(hertz, 0.9, 8000), expected)
    np.testing.assert_allclose(features._warped(hertz, 1.0, 8000), hertz)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"highest": 9000}, "received lowest: 20.0 Hz and highest: 9000 Hz at 16000"),
        ({"lowest": 8000}, "received lowest: 8000 Hz and highest: 8000.0 Hz"),
        ({"hop": 0.00001}, "hop: 1e-05 s"),
        ({"bands": 0}, "received bands: 0"),
    ],
)
def test_no_such_spectrum(given: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Spectrum(16000, **given)  # type: ignore[arg-type]


def test_bands_that_hold_no_frequency_are_refused() -> None:
    with pytest.raises(InputError, match="Hz apart, received 200 bands, of which"):
        log_mel(NOISE, Spectrum(16000, bands=200))


@pytest.mark.parametrize("samples", [NOISE.astype(float), NOISE.reshape(2, -1)])
def test_other_samples_are_refused(samples: np.ndarray) -> None:
    with pytest.raises(InputError, match="expected one channel of int16 or float32"):
        log_mel(samples, SPECTRUM)
