"""Variations of recordings, from which a network learns what does not matter.

Recordings are mono arrays (samples,) of int16 or float32 as in `stages.audio.features`; each
variation has the type of its recording, and int16 saturates.
"""

from dataclasses import dataclass

import numpy as np
import soxr

from stages.audio.features import FULL_SCALE
from stages.errors import InputError


@dataclass(frozen=True)
class Variation:
    """What is done to a recording.

    Attributes:
        speed: see `change_speed`.
        warp: the warp of `stages.audio.features.log_mel`, which `vary` leaves to it.
        gain: dB, see `change_gain`.
        noise: dB below the recording, see `add_noise`; None for none.
    """

    speed: float = 1.0
    warp: float = 1.0
    gain: float = 0.0
    noise: float | None = None


@dataclass(frozen=True)
class Variations:
    """Which variations `draw` chooses from.

    Attributes:
        speeds: equally probable ones.
        warp: largest distance of the warp from 1, of which each is equally probable.
        gain: dB, largest gain and loss, between which each is equally probable.
        noise: dB below the recording, lowest and highest; None for no noise.

    Raises:
        InputError: if there are no such variations.
    """

    speeds: tuple[float, ...] = (0.9, 1.0, 1.1)
    warp: float = 0.1
    gain: float = 6.0
    noise: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if not self.speeds or min(self.speeds) < 0.01 or not 0 <= self.warp < 0.5 or self.gain < 0:
            raise InputError(
                "expected speeds above 0, a warp from 0 to below 0.5 and a gain of at least 0 dB, "
                f"received speeds: {list(self.speeds)}, warp: {self.warp} and gain: {self.gain}: "
                "correct them"
            )

    def draw(self, rng: np.random.Generator) -> Variation:
        """Returns one of the variations. Every call takes the same numbers from `rng`, so that a
        range that becomes empty leaves the other ones as they are."""
        speed, warp, gain, noise = rng.random(4).tolist()
        low, high = self.noise or (0.0, 0.0)
        return Variation(
            self.speeds[int(speed * len(self.speeds))],
            round(1 + self.warp * (2 * warp - 1), 2),
            self.gain * (2 * gain - 1),
            None if self.noise is None else low + (high - low) * noise,
        )


def vary(samples: np.ndarray, variation: Variation, rng: np.random.Generator) -> np.ndarray:
    """Returns a recording after the change of speed, with noise, after the gain; the warp is an
    argument of `stages.audio.features.log_mel`."""
    varied = change_speed(_float(samples), variation.speed)
    if variation.noise is not None:
        varied = add_noise(varied, variation.noise, rng)
    return _as(samples.dtype, change_gain(varied, variation.gain))


def change_speed(samples: np.ndarray, speed: float) -> np.ndarray:
    """Returns a recording played `speed` times as fast: so many times shorter, and higher in pitch
    (Ko et al., "Audio augmentation for speech recognition", 2015).

    Args:
        speed: rounded to 0.01; the result is filtered with linear phase below what both speeds can
            represent.
    """
    hundredths = round(100 * speed)
    if hundredths == 100:
        return samples
    return _as(samples.dtype, soxr.resample(_float(samples), hundredths, 100))


def change_gain(samples: np.ndarray, decibels: float) -> np.ndarray:
    """Returns a recording louder by `decibels`."""
    if decibels == 0:
        return samples
    return _as(samples.dtype, _float(samples) * np.float32(10 ** (decibels / 20)))


def add_noise(samples: np.ndarray, below: float, rng: np.random.Generator) -> np.ndarray:
    """Returns a recording with white Gaussian noise, whose power is `below` dB lower than the mean
    power of the recording: `below` is the signal-to-noise ratio. Silence stays silent."""
    signal = _float(samples)
    power = np.square(signal, dtype=np.float64).mean() if len(signal) else 0.0
    noise = rng.standard_normal(len(signal), dtype=np.float32)
    return _as(samples.dtype, signal + noise * np.float32(np.sqrt(power) * 10 ** (-below / 20)))


def saturated(samples: np.ndarray) -> np.ndarray:
    """Returns samples in units of int16, (samples,) float, as int16; louder ones saturate."""
    return np.rint(samples).clip(-FULL_SCALE, FULL_SCALE - 1).astype(np.int16)


def _float(samples: np.ndarray) -> np.ndarray:
    """Returns samples as float32; int16 in its own units."""
    return samples.astype(np.float32, copy=False)


def _as(dtype: np.dtype, samples: np.ndarray) -> np.ndarray:
    return saturated(samples) if dtype == np.int16 else samples
