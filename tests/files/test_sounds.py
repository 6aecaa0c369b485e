"""The samples of recordings: formats, channels, sampling rates, and what is no recording."""

import io
from pathlib import Path

import numpy as np
import pytest
import soundfile

from stages.errors import InputError
from stages.files import sounds

RAMP = np.arange(-(1 << 15), 1 << 15, dtype=np.int16)


def encoded(values: np.ndarray, rate: int = 8000, form: str = "WAV", kind: str = "PCM_16") -> bytes:
    file = io.BytesIO()
    soundfile.write(file, values, rate, format=form, subtype=kind)
    return file.getvalue()


def tone(rate: int, hertz: float = 440, seconds: float = 1, amplitude: float = 0.5) -> np.ndarray:
    return amplitude * np.sin(2 * np.pi * hertz * np.arange(int(rate * seconds)) / rate)


@pytest.mark.parametrize("form", ["WAV", "FLAC", "AIFF", "W64"])
def test_16_bits_at_the_same_rate_stay_as_they_are(form: str, tmp_path: Path) -> None:
    content = encoded(RAMP, form=form)
    # The content decides, not the name: .raw would be samples without a header.
    (tmp_path / "x.raw").write_bytes(content)
    for source in (content, memoryview(content), io.BytesIO(content), tmp_path / "x.raw"):
        samples = sounds.samples_of(source, "x", 8000)  # type: ignore[arg-type]
        assert samples.dtype == np.int16
        np.testing.assert_array_equal(samples, RAMP)


def test_other_widths_are_rounded_to_16_bits() -> None:
    values = np.array([0.0, 0.25, -0.25, 1 / 128, -1.0])
    for kind in ("PCM_U8", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"):
        samples = sounds.samples_of(encoded(values, kind=kind), "x", 8000)
        assert samples.tolist() == [0, 8192, -8192, 256, -32768], kind
    # In 24 bits: 3.5 and 4.49 of a 16-bit step, the highest value, and the lowest.
    steps = np.array([3.5 * 256, 4.49 * 256, 2**23 - 1, -(2**23)]).astype(np.int32) << 8
    samples = sounds.samples_of(encoded(steps, kind="PCM_24"), "x", 8000)
    assert samples.tolist() == [4, 4, 32767, -32768]


def test_values_beyond_1_are_clipped_and_do_not_wrap() -> None:
    values = np.array([1.0, 1.5, -1.5, 3e38, -3e38, 0.99999])
    assert sounds.samples_of(encoded(values, kind="DOUBLE"), "x", 8000).tolist() == [
        *(32767, 32767, -32768, 32767, -32768, 32767)
    ]
    loud = sounds.samples_of(encoded(tone(8000, amplitude=9), kind="FLOAT"), "x", 16000)
    expected = np.sign(tone(16000, amplitude=9))
    far = np.abs(tone(16000, amplitude=9)) > 2
    assert (np.sign(loud) == expected)[far].all()
    assert (np.abs(loud.astype(int)) > 20000)[far].all()


def test_channels_are_averaged_before_they_are_clipped() -> None:
    left, right = RAMP, RAMP[::-1]
    stereo = sounds.samples_of(encoded(np.stack([left, left], 1)), "x", 8000)
    np.testing.assert_array_equal(stereo, RAMP)
    opposed = sounds.samples_of(encoded(np.stack([left, right], 1)), "x", 8000)
    np.testing.assert_array_equal(opposed, np.full(len(RAMP), -0.5).round())
    loud = np.array([[1.5, 0.1, 0.2], [1.0, -1.0, 0.75]])
    three = sounds.samples_of(encoded(loud, kind="FLOAT"), "x", 8000)
    assert three.tolist() == [round(0.6 * 32768), 8192]


@pytest.mark.parametrize("own", [8000, 11025, 16000, 44100, 48000])
@pytest.mark.parametrize("rate", [8000, 16000])
def test_a_tone_keeps_its_frequency_and_amplitude(own: int, rate: int) -> None:
    samples = sounds.samples_of(encoded(tone(own), own, kind="PCM_24"), "x", rate)
    assert len(samples) == rate
    # Away from the ends, where the filter meets silence.
    inner = slice(rate // 10, -rate // 10)
    np.testing.assert_allclose(samples[inner], 32768 * tone(rate)[inner], atol=4)


def test_what_is_above_half_the_rate_is_filtered_out() -> None:
    samples = sounds.samples_of(encoded(tone(48000, 6000), 48000), "x", 8000)
    assert np.abs(samples[800:-800]).max() <= 1


@pytest.mark.parametrize(("form", "kind"), [("OGG", "VORBIS"), ("MP3", "MPEG_LAYER_III")])
def test_lossy_formats_are_read(form: str, kind: str) -> None:
    samples = sounds.samples_of(encoded(tone(16000), 16000, form, kind), "x", 16000)
    assert len(samples) == pytest.approx(16000, abs=2500)
    spectrum = np.abs(np.fft.rfft(samples[1000:13000]))
    assert np.argmax(spectrum) * 16000 / 12000 == pytest.approx(440, abs=1)


def test_short_and_silent_recordings_are_read() -> None:
    assert len(sounds.samples_of(encoded(tone(48000, seconds=0.01), 48000), "x", 8000)) == 80
    assert sounds.samples_of(encoded(np.zeros(80)), "x", 16000).tolist() == [0] * 160
    assert sounds.samples_of(encoded(np.array([7], np.int16)), "x", 8000).tolist() == [7]


def test_long_recordings_are_decoded_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sounds, "BLOCK", 1000)
    for form in ("WAV", "FLAC"):
        values = np.stack([RAMP, RAMP], 1)
        np.testing.assert_array_equal(
            sounds.samples_of(encoded(values, form=form), "x", 8000), RAMP
        )


FLAC = encoded(RAMP, form="FLAC")
STREAMED = bytearray(encoded(RAMP[:100]))
STREAMED[40:44] = b"\xff" * 4
FAULTS = {
    "empty": (b"", "received an empty file"),
    "text": (b"# Recordings\n" * 99, "damaged or of another format"),
    "noise": (np.random.default_rng(1).bytes(5000), "damaged or of another format"),
    "header alone": (encoded(RAMP)[:30], "damaged or of another format"),
    "no samples": (encoded(RAMP[:0]), "received a recording without any"),
    "cut WAV": (encoded(RAMP)[:-2], "received one that is cut off"),
    "cut AIFF": (encoded(RAMP, form="AIFF")[:-2], "received one that is cut off"),
    "cut FLAC": (FLAC[: len(FLAC) // 2], "damaged or of another format|cut off"),
    "cut OGG": (encoded(RAMP, form="OGG", kind="VORBIS")[:-10], "received one that is cut off"),
    "cut MP3": (
        encoded(tone(16000), 16000, "MP3", "MPEG_LAYER_III")[:1188],
        "received one that is cut off",
    ),
    "NaN": (encoded(np.full(9, np.nan), kind="FLOAT"), "received NaN or infinity"),
    "one infinity": (encoded(np.array([0, np.inf, 0]), kind="FLOAT"), "received NaN or infinity"),
    "slow": (encoded(RAMP, 10), "received 10: correct"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_one_error(fault: str, capfd: pytest.CaptureFixture[str]) -> None:
    content, message = FAULTS[fault]
    with pytest.raises(InputError, match=rf"^a/x\.wav: expected .*({message})") as error:
        sounds.samples_of(content, "a/x.wav", 8000)
    assert "\n" not in str(error.value)
    assert "Traceback" not in capfd.readouterr().err


def test_a_stream_of_which_nobody_knew_the_end_is_whole() -> None:
    assert sounds.samples_of(bytes(STREAMED), "x", 8000).tolist() == RAMP[:100].tolist()


def test_no_damage_to_a_file_is_a_traceback() -> None:
    random = np.random.default_rng(2)
    for form, kind in (
        ("WAV", "PCM_16"),
        ("FLAC", "PCM_16"),
        ("OGG", "VORBIS"),
        ("AIFF", "PCM_24"),
    ):
        content = encoded(tone(8000, seconds=0.1), form=form, kind=kind)
        for _ in range(60):
            damaged = bytearray(content)
            for place in random.integers(0, min(200, len(content)), 4):
                damaged[place] = random.integers(256)
            try:
                assert sounds.samples_of(bytes(damaged), "x", 8000).dtype == np.int16
            except InputError as error:
                assert str(error).startswith("x: expected")  # noqa: PT017


def test_a_recording_that_unpacks_to_too_much_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A FLAC whose header announces 2**36 - 1 samples.
    content = bytearray(FLAC)
    content[21] |= 0x0F
    content[22:26] = b"\xff" * 4
    with pytest.raises(InputError, match="at most 1024 MiB at 16 bits"):
        sounds.samples_of(bytes(content), "x", 8000)
    monkeypatch.setattr(sounds, "LARGEST", 1000)
    (tmp_path / "x.wav").write_bytes(encoded(RAMP))
    for source in (
        tmp_path / "x.wav",
        encoded(np.zeros(501), form="FLAC"),
        io.BytesIO(b"x" * 2000),
    ):
        with pytest.raises(InputError, match="x: expected a recording of at most"):
            sounds.samples_of(source, "x", 8000)


def test_a_missing_file_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected a raw file at"):
        sounds.samples_of(tmp_path / "x.wav", "x", 8000)
    (tmp_path / "x.wav").symlink_to(tmp_path / "none")
    with pytest.raises(InputError, match="a link that leads to no file"):
        sounds.samples_of(tmp_path / "x.wav", "x", 8000)
