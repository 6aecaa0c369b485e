"""From the samples of a recording to what the network reads of it."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from stages.audio.features import Spectrum, log_mel
from stages.audio.segments import speech

Normalization = Literal["training", "level", "recording"]
# Of a decibel of energy.
NATS = np.log(10) / 10
# What counts as speech where its level is measured, between quiet (0) and loud (1). The level of a
# whole recording would depend on the length of its pauses.
SPEECH = 0.3
# Smaller deviations than this, in nats, are no signal.
_LEAST = 0.01


@dataclass(frozen=True)
class Reader:
    """How recordings are read: see the section `extract_features`."""

    spectrum: Spectrum
    normalize: Normalization
    channel: float
    dynamic_range: float | None

    def __call__(self, samples: np.ndarray, warp: float = 1.0) -> np.ndarray:
        """Returns the log-mel energies of a recording, (frames, bands) float32, less what they are
        in the mean of its speech (`level`), or with the mean 0 and the deviation 1 in each band
        (`recording`)."""
        energies = log_mel(samples, self.spectrum, warp)
        if self.dynamic_range is not None:
            floor = energies.max() - np.float32(self.dynamic_range * NATS)
            energies = np.maximum(energies, floor)
        if self.normalize == "level":
            _, is_speech = speech(energies, SPEECH)
            bands = energies[is_speech].mean(0, dtype=np.float64)
            own = self.channel * bands + (1 - self.channel) * bands.mean()
            return energies - own.astype(np.float32)
        if self.normalize == "recording":
            moments = Moments(self.spectrum.bands)
            moments.add(energies)
            mean, deviation = moments.result()
            return (energies - mean) / deviation
        return energies


class Moments:
    """The mean and the deviation of each band over many recordings."""

    def __init__(self, bands: int) -> None:
        self._count, self._sums = 0, np.zeros((2, bands))

    def add(self, energies: np.ndarray) -> None:
        """Takes in the frames of one recording, (frames, bands)."""
        wide = energies.astype(np.float64)
        self._count += len(wide)
        self._sums += wide.sum(0), np.square(wide).sum(0)

    def result(self) -> tuple[np.ndarray, np.ndarray]:
        """Returns the means and the deviations, (bands,) float32 each."""
        mean, square = self._sums / max(self._count, 1)
        deviation = np.sqrt(np.maximum(square - mean**2, 0))
        return mean.astype(np.float32), np.maximum(deviation, _LEAST).astype(np.float32)
