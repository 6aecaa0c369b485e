"""Log-mel spectra of recordings.

A recording is a mono array (samples,) of int16, which counts as samples / 32768, or of float32, of
which 1 is full scale.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import scipy.fft
from scipy.sparse import csr_array

from stages.errors import InputError

FULL_SCALE = 32768
# Energy relative to a tone at full scale: -100 dB, about the rounding noise of 16 bits, so that
# digital silence is no outlier.
FLOOR = 1e-10
# Frames at a time: the arrays of a block stay in the processor's cache.
BLOCK = 256
# Up to this part of the highest frequency a warp is a plain factor (Jaitly and Hinton, 2013).
_WARPED = 0.8


@dataclass(frozen=True)
class Spectrum:
    """How recordings become features; the sample rate is part of it.

    Attributes:
        rate: samples per second.
        window, hop: seconds that a frame covers, and from one frame to the next.
        bands: mel bands, so features of a frame.
        lowest, highest: Hz, where the first band begins and the last one ends; `highest` None is
            half of `rate`.

    Raises:
        InputError: if no such spectrum exists.
    """

    rate: int
    window: float = 0.025
    hop: float = 0.010
    bands: int = 40
    lowest: float = 20.0
    highest: float | None = None

    def __post_init__(self) -> None:
        if self.rate < 1 or self.window_length < 2 or self.hop_length < 1 or self.bands < 1:
            raise InputError(
                "expected at least one band, a hop of one sample and a window of two, received "
                f"bands: {self.bands}, hop: {self.hop} s and window: {self.window} s at "
                f"{self.rate} samples per second: lengthen them"
            )
        if not 0 <= self.lowest < self.top <= self.rate / 2:
            raise InputError(
                "expected 0 <= lowest < highest <= half of the sample rate, received lowest: "
                f"{self.lowest} Hz and highest: {self.top} Hz at {self.rate} samples per second: "
                "lower the band, or leave out highest for half of the rate"
            )

    @property
    def window_length(self) -> int:
        """The samples of a frame."""
        return round(self.window * self.rate)

    @property
    def hop_length(self) -> int:
        """The samples from the start of a frame to the start of the next one."""
        return round(self.hop * self.rate)

    @property
    def fft_length(self) -> int:
        """The next power of two to the samples of a frame, which is padded with zeros to it."""
        return 1 << (self.window_length - 1).bit_length()

    @property
    def top(self) -> float:
        """Hz, where the last band ends."""
        return self.rate / 2 if self.highest is None else self.highest


def frames_of(samples: int, spectrum: Spectrum) -> int:
    """Returns how many frames a recording of so many samples has: those that lie wholly in it, or
    one, padded with zeros, if it is shorter than a window."""
    return 1 + max(0, samples - spectrum.window_length) // spectrum.hop_length


def log_mel(samples: np.ndarray, spectrum: Spectrum, warp: float = 1.0) -> np.ndarray:
    """Returns the natural logarithm of the energy in each mel band.

    A frame is multiplied with a periodic Hann window; its power spectrum is summed with triangular
    weights of peak 1 which are straight on the mel scale of HTK, 2595 log10(1 + f / 700): so
    HTK (Young et al., "The HTK Book", 5.4) and `keras.layers.MelSpectrogram` define it. Energy is
    relative to that of a tone at full scale, whatever the window: such a tone gives 0 in the band
    at whose centre it is, and silence `log(FLOOR)` in all bands. The first frame begins at the
    first sample.

    A frame's values depend on nothing but its samples, to the bit.

    Args:
        samples: (samples,) int16 or float32.
        warp: how many times higher the bands lie, rounded to 0.01: the same sounds then seem to
            come from a longer vocal tract (Jaitly and Hinton, "Vocal tract length perturbation
            improves speech recognition", 2013). 0.9 to 1.1 are usual; 1 changes nothing.

    Returns:
        (frames, bands) float32, as many frames as `frames_of` says.

    Raises:
        InputError: if a band is too narrow to hold a frequency of the Fourier transform.
    """
    if samples.ndim != 1 or samples.dtype not in (np.int16, np.float32):
        raise InputError(
            "expected one channel of int16 or float32 samples, received "
            f"{samples.dtype} {samples.shape}: convert the recording"
        )
    weights = _filters(spectrum, round(warp, 2))
    window = _window(spectrum)
    if samples.dtype == np.int16:
        window = window / np.float32(FULL_SCALE)
    length, frames = spectrum.window_length, frames_of(len(samples), spectrum)
    if len(samples) < length:
        samples = np.concatenate([samples, np.zeros(length - len(samples), samples.dtype)])
    views = np.lib.stride_tricks.sliding_window_view(samples, length)[:: spectrum.hop_length]
    result = np.empty((frames, spectrum.bands), np.float32)
    padded = np.zeros((min(BLOCK, frames), spectrum.fft_length), np.float32)
    for first in range(0, frames, BLOCK):
        block = result[first : first + BLOCK]
        rows = padded[: len(block)]
        np.multiply(views[first : first + BLOCK], window, out=rows[:, :length])
        values = scipy.fft.rfft(rows)
        # A sparse product adds up in the order of the frequencies, whatever the number of rows.
        block[:] = (weights @ (np.square(values.real) + np.square(values.imag)).T).T
        np.log(np.maximum(block, np.float32(FLOOR), out=block), out=block)
    return result


def _window(spectrum: Spectrum) -> np.ndarray:
    """Returns a periodic Hann window, (window_length,) float32, scaled for a tone of amplitude 1 to
    have power 1."""
    length = spectrum.window_length
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)
    return (window / (window.sum() / 2)).astype(np.float32)


@lru_cache(maxsize=64)
def _filters(spectrum: Spectrum, warp: float) -> csr_array:
    """Returns the weight of each frequency in each band, (bands, fft_length // 2 + 1) float32."""
    first, last = _mel(np.array([spectrum.lowest, spectrum.top]))
    hertz = _warped(_hertz(np.linspace(first, last, spectrum.bands + 2)), warp, spectrum.top)
    edges = _mel(hertz)[:, None]
    frequencies = _mel(np.fft.rfftfreq(spectrum.fft_length, 1 / spectrum.rate))
    frequencies[0] = -np.inf  # HTK leaves out the mean
    widths = np.diff(edges, axis=0)
    rising = (frequencies - edges[:-2]) / widths[:-1]
    falling = (edges[2:] - frequencies) / widths[1:]
    weights = np.maximum(0, np.minimum(rising, falling)).astype(np.float32)
    if not (full := weights.any(axis=1)).all():
        band = int(full.argmin())
        raise InputError(
            "expected every mel band to hold a frequency of the Fourier transform, which are "
            f"{spectrum.rate / spectrum.fft_length:.1f} Hz apart, received {spectrum.bands} bands, "
            f"of which band {band} is {hertz[band]:.0f} to {hertz[band + 2]:.0f} Hz: take fewer "
            "bands or a longer window"
        )
    return csr_array(weights)


def _mel(hertz: np.ndarray) -> np.ndarray:
    return 2595 * np.log10(1 + hertz / 700)


def _hertz(mel: np.ndarray) -> np.ndarray:
    return 700 * (10 ** (mel / 2595) - 1)


def _warped(hertz: np.ndarray, warp: float, highest: float) -> np.ndarray:
    """Returns frequencies times `warp`, those above a boundary on the line that keeps `highest`."""
    boundary = _WARPED * highest * min(1, 1 / warp)
    slope = (highest - boundary * warp) / (highest - boundary)
    return np.where(hertz <= boundary, hertz * warp, highest - slope * (highest - hertz))
