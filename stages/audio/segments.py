"""Words in recordings: where they lie, and vectors of one length for classifiers."""

import numpy as np
import scipy.fft

from stages.errors import InputError

# Percentiles of a recording's frames: pauses fill at least a tenth of it, and a click is shorter
# than a twentieth.
_QUIET, _LOUD = 10, 95


def segments(
    features: np.ndarray, threshold: float, shortest_pause: int, shortest_word: int
) -> np.ndarray:
    """Returns the stretches of speech in a recording, found by its energy.

    Speech is each frame whose mean log energy reaches `quiet + threshold * (loud - quiet)`, where
    quiet and loud are the 10th and the 95th percentile of the recording's frames. There always is a
    stretch: if none is long enough, the one with the loudest frame; a recording which is equally
    loud everywhere is a single one.

    Args:
        features: (frames, bands), as `stages.audio.features.log_mel` returns them.
        threshold: 0 to 1.
        shortest_pause: frames; a shorter pause between two stretches is part of both.
        shortest_word: frames; a shorter stretch is none.

    Returns:
        (stretches, 2) int64, the first frame of each and the frame after its last one.

    Raises:
        InputError: for another threshold, or without frames.
    """
    if not 0 <= threshold <= 1 or not len(features):
        raise InputError(
            "expected a threshold from 0 to 1 and at least one frame, received "
            f"{threshold} and {len(features)} frames: correct them"
        )
    energy, is_speech = speech(features, threshold)
    first, after = _stretches(is_speech, shortest_pause)
    long = after - first >= shortest_word
    if not long.any():
        long[np.searchsorted(first, energy.argmax(), side="right") - 1] = True
    return np.stack([first[long], after[long]], axis=1)


def extents(
    features: np.ndarray, marks: np.ndarray, threshold: float, shortest_pause: int
) -> np.ndarray:
    """Returns where words lie of which some frames each are known.

    Neighbours are divided at the quietest frame between what is known of them. A word is the
    stretch of speech in its part, as `segments` has it, in which its known frames lie, or the
    nearest one; without any it is what is known. So a word that nobody knows of is in none, if
    there is a pause between.

    Args:
        features: (frames, bands).
        marks: (words, 2), the first known frame of each word and the one after its last, in order.
        threshold: 0 to 1, as of `segments`.
        shortest_pause: frames; a shorter pause is within a stretch.

    Returns:
        (words, 2) int64, the first frame of each and the one after its last.
    """
    energy, is_speech = speech(features, threshold)
    between = zip(marks[:-1, 1], np.maximum(marks[1:, 0] + 1, marks[:-1, 1] + 1), strict=True)
    cuts = [int(after + energy[after:first].argmin()) for after, first in between]
    found = marks.astype(np.int64)
    ends = [*cuts, len(energy)] if len(marks) else []
    for word, (start, end) in enumerate(zip([0, *cuts], ends, strict=False)):
        first, after = _stretches(is_speech[start:end], shortest_pause)
        if len(first):
            known = marks[word] - start
            away = np.maximum(np.maximum(first - known[1] + 1, known[0] - after + 1), 0)
            own = np.flatnonzero(away == away.min())
            found[word] = start + first[own[0]], start + after[own[-1]]
    return found


def speech(features: np.ndarray, threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """Returns the mean log energy of each of the frames (frames, bands), and whether it is speech,
    (frames,) each: see `segments`."""
    energy = features.mean(axis=1, dtype=np.float64)
    quiet, loud = np.percentile(energy, [_QUIET, _LOUD])
    return energy, energy >= quiet + threshold * (loud - quiet)


def _stretches(is_speech: np.ndarray, shortest_pause: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns the first frame of each stretch of speech and the one after its last, (stretches,)
    each: those with a shorter pause between them are one."""
    changes = np.flatnonzero(np.diff(is_speech, prepend=False, append=False))
    first, after = changes[::2], changes[1::2]
    if not len(first):
        return first, after
    apart = first[1:] - after[:-1] >= shortest_pause
    return first[np.append(True, apart)], after[np.append(apart, True)]


def fixed(
    features: np.ndarray,
    first: np.ndarray | int,
    after: np.ndarray | int,
    points: int = 12,
    coefficients: int = 13,
) -> np.ndarray:
    """Returns a vector for each word, whatever its length: mel-frequency cepstral coefficients
    (Davis and Mermelstein, "Comparison of parametric representations for monosyllabic word
    recognition", 1980) at points that are equally far apart.

    The coefficients are the orthonormal discrete cosine transform (II) of the log energies over the
    bands, the mean of the bands included; between frames they are interpolated.

    Args:
        features: (frames, bands) float32; frames of several recordings may stand one after the
            other.
        first, after: (words,) or a number: the first frame of each word and the one after its last.
        points: the first one is the first frame, the last one the last frame.
        coefficients: how many, the lowest ones.

    Returns:
        (words, points * coefficients) float32, or without the axis of words; all coefficients of
        the first point come first.

    Raises:
        InputError: for a word without frames or frames that are not there, or for more coefficients
            than bands.
    """
    first, after = np.asarray(first), np.asarray(after)
    if not ((first >= 0) & (first < after) & (after <= len(features))).all():
        raise InputError(
            f"expected words of at least one of {len(features)} frames, received one that is "
            "empty or ends later: correct the bounds"
        )
    if not (1 <= coefficients <= features.shape[1] and points >= 1):
        raise InputError(
            f"expected 1 to {features.shape[1]} coefficients, as there are bands, at 1 point or "
            f"more, received {coefficients} at {points}: take other ones"
        )
    positions = first[..., None] + (after - 1 - first)[..., None] * np.linspace(0, 1, points)
    left = positions.astype(np.int64)
    right = np.minimum(left + 1, after[..., None] - 1)
    part = (positions - left)[..., None].astype(features.dtype)
    values = features[left] * (1 - part) + features[right] * part
    cepstra = scipy.fft.dct(values, norm="ortho", axis=-1)[..., :coefficients]
    return cepstra.reshape(*first.shape, points * coefficients)
