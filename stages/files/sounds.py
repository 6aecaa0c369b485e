"""The samples of recordings, in any format that libsndfile reads."""

import io
import re
from pathlib import Path
from typing import BinaryIO

import numpy as np
import soundfile
import soxr

from stages.errors import InputError
from stages.files import raw

# Bytes of a file, and of its samples at 16 bits.
LARGEST = 1 << 30
# Hz. From a lower one, resampling could make any number of samples out of a few.
LOWEST_RATE = 1000
# Values that are decoded at once.
BLOCK = 1 << 22
# What libsndfile says of a file whose data end before its header says they do. A length that does
# not fit into 31 bits is that of a stream, of which nobody knew the end.
_CUT = re.compile(r"^ ?(?:data|SSND) : (\d+) \(should be (\d+)\)", re.MULTILINE)
UNKNOWN = 0x7FFFF000
# Samples by which the length that an MP3 announces may differ from what is in it.
MP3_PADDING = 2 * 1152


class _Content(io.BytesIO):
    """A file's content. Damaged audio makes decoders seek to places before the start."""

    def seek(self, offset: int, whence: int = 0) -> int:
        try:
            return super().seek(offset, whence)
        except ValueError:
            return self.tell()


def samples_of(source: Path | bytes | BinaryIO, place: str, rate: int) -> np.ndarray:
    """Returns the samples of a recording: the mean of its channels, resampled to `rate` Hz.

    16-bit samples in one channel at `rate` stay as they are. All others are rounded, and clipped
    where they are beyond what 16 bits hold. Resampling is that of soxr at its quality HQ.

    Args:
        source: a file in any format that libsndfile reads, by its content.
        place: what a user calls it, for error messages.

    Returns:
        int16 [samples].

    Raises:
        InputError: the file is missing, empty, not audio, damaged, cut off, without samples, or
            holds more than 1 GiB or a value that is not finite.
    """
    content = _content_of(source, place)
    try:
        with soundfile.SoundFile(content) as file:
            own, samples = file.samplerate, _mono(file, place)
            cut = file.format == "OGG" and _ends_within_a_page(content.getvalue())
    except soundfile.SoundFileError as error:
        reason = getattr(error, "error_string", str(error)).strip().rstrip(".")
        raise InputError(
            f"{place}: expected audio, such as WAV, FLAC, OGG or MP3, received a file that is "
            f"damaged or of another format ({reason}): get it again, or take it out"
        ) from None
    if cut:
        raise _cut_off(place)
    if not np.isfinite(samples).all():
        raise InputError(
            f"{place}: expected finite samples, received NaN or infinity: record or convert it "
            "again"
        )
    samples = samples.clip(-1, 1)
    if own != rate:
        samples = soxr.resample(samples, own, rate, quality="HQ")
    if not len(samples):
        raise InputError(
            f"{place}: expected samples, received a recording without any: take it out"
        )
    # libsndfile's scale for 16 bits, of which each value is a float32: nothing is lost.
    return np.rint(samples * 32768).clip(-32768, 32767).astype(np.int16)


def _content_of(source: Path | bytes | BinaryIO, place: str) -> _Content:
    if isinstance(source, Path):
        raw.check_file(source)
        size = source.stat().st_size
        content = source.read_bytes() if size <= LARGEST else b""
    else:
        content = bytes(source) if not hasattr(source, "read") else source.read(LARGEST + 1)
        size = len(content)
    if size > LARGEST:
        raise _too_long(place)
    if not size:
        raise InputError(
            f"{place}: expected a recording, received an empty file: get it again, or take it out"
        )
    return _Content(content)


def _mono(file: soundfile.SoundFile, place: str) -> np.ndarray:
    """Returns the mean of the channels, float32 [samples] at the file's own rate, 1 at most."""
    if file.samplerate < LOWEST_RATE:
        raise InputError(
            f"{place}: expected a sampling rate of {LOWEST_RATE} Hz at least, received "
            f"{file.samplerate}: correct the file's header"
        )
    announced = file.frames if file.frames < 1 << 62 else 0  # some streams do not know it
    blocks, count = [np.zeros(0, np.float32)], 0
    while True:
        if max(count, announced) * file.channels > LARGEST // 2:
            raise _too_long(place)
        block = file.read(max(1, BLOCK // file.channels), dtype="float32", always_2d=True)
        if not len(block):
            break
        blocks.append(block.mean(axis=1) if file.channels > 1 else block[:, 0])
        count += len(block)
    cut = any(
        int(actual) < int(length) < UNKNOWN for length, actual in _CUT.findall(file.extra_info)
    )
    if cut or count < announced - (MP3_PADDING if file.format == "MP3" else 0):
        raise _cut_off(place)
    return np.concatenate(blocks)


def _ends_within_a_page(content: bytes) -> bool:
    """Returns whether the last page of an OGG file is cut off: libsndfile leaves it out. A page is
    a header of 27 bytes, the last of which counts the lengths that follow, and that many data.

    Source: RFC 3533, section 6.
    """
    page = content[max(0, content.rfind(b"OggS")) :]
    lengths = page[27 : 27 + page[26]] if len(page) > 26 else b""
    return len(page) < 27 or len(page) < 27 + page[26] + sum(lengths)


def _cut_off(place: str) -> InputError:
    return InputError(
        f"{place}: expected a whole recording, received one that is cut off: get it again, or take "
        "it out"
    )


def _too_long(place: str) -> InputError:
    return InputError(
        f"{place}: expected a recording of at most {LARGEST >> 20} MiB at 16 bits, received a "
        "longer one: cut it into utterances"
    )
