"""A small file of word vectors, made of a large one."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from stages.errors import InputError
from stages.files import vectors
from tools import reduce_vectors

SOURCE = ["the 0.127 -0.004", "of 1.0 -2.375", "Paris 0.1 0.2", "paris 7 8", "bland 5 -0.01"]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source.txt"
    path.write_text("".join(row + "\n" for row in SOURCE))
    return path


def reduced(source: Path, *options: str) -> bytes:
    target = source.with_name("target.txt.gz")
    reduce_vectors.main([str(source), str(target), *options])
    return gzip.decompress(target.read_bytes())


def test_the_first_words_are_kept_and_their_numbers_rounded(source: Path) -> None:
    assert reduced(source, "--words", "2") == b"the 0.13 0\nof 1 -2.38\n"
    assert reduced(source, "--words", "2", "--step", "0.05") == b"the 0.15 0\nof 1 -2.4\n"
    assert reduced(source, "--words", "1", "--step", "0.25") == b"the 0.25 0\n"


def test_words_of_texts_come_before_others(source: Path, tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text("Bland, so bland! In Paris.\n")
    words = {
        "3": [b"the", b"paris", b"bland"],
        "1": [b"bland"],
        "5": [b"the", b"of", b"Paris", b"paris", b"bland"],
    }
    for number, expected in words.items():
        content = reduced(source, "--words", number, "--texts", str(text))
        assert [row.split()[0] for row in content.splitlines()] == expected
    content = reduced(source, "--words", "3", "--texts", str(text), "--first", "2")
    assert [row.split()[0] for row in content.splitlines()] == [b"the", b"of", b"bland"]
    content = reduced(source, "--words", "2", "--texts", str(text), "--head", "4")
    assert [row.split()[0] for row in content.splitlines()] == [b"the", b"paris"]


def test_the_bytes_follow_from_the_source_alone(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reduced(source, "--words", "3")
    first = source.with_name("target.txt.gz").read_bytes()
    monkeypatch.setattr("time.time", lambda: 1e9)
    reduced(source, "--words", "3")
    assert source.with_name("target.txt.gz").read_bytes() == first
    # RFC 1952: the time is in the bytes 4 to 7, and flags in byte 3 tell of a name.
    assert first[3:8] == bytes(5)


def test_what_is_written_reads_as_rounded(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=(50, 7)).astype(np.float32)
    lines = (f"w{i} {' '.join(map(str, row))}\n" for i, row in enumerate(values))
    (tmp_path / "source.txt").write_text("50 7\n" + "".join(lines))
    for step in (0.01, 0.05, 0.003):
        reduced(tmp_path / "source.txt", "--words", "50", "--step", str(step))
        read = vectors.read(tmp_path / "target.txt.gz")
        np.testing.assert_allclose(read.values, np.rint(values / step) * step, atol=1e-6)


def test_wrong_arguments_are_one_error(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, message in {
        ("x.txt", "--words", "1"): "ends in .gz",
        ("x.gz", "--words", "9"): "expected at least 9 words, received 5",
        ("x.gz", "--words", "0"): "expected a whole number above 0, received '0'",
        ("x.gz", "--words", "1", "--step", "nan"): "expected a number from 1e-6 to 1",
        ("x.gz",): "--words",
    }.items():
        with pytest.raises((InputError, SystemExit)) as error:
            reduce_vectors.main([str(source), *arguments])
        assert message in str(error.value) + capsys.readouterr().err
