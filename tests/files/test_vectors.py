"""Files of word vectors: what is read, and that no fault in one goes unnoticed."""

import gzip
import logging
from pathlib import Path

import numpy as np
import pytest

from stages.errors import InputError
from stages.files import vectors
from stages.files.parameters import validated

WORDS = ["the", ",", "2008", "naïve", "\u00a0", '"', "a"]
VALUES = np.round(np.random.default_rng(0).normal(size=(len(WORDS), 5)), 4).astype(np.float32)
ROWS = [" ".join([word, *map(str, row)]) for word, row in zip(WORDS, VALUES, strict=True)]
GLOVE = "".join(row + "\n" for row in ROWS)
HEADER = f"{len(WORDS)} 5\n"


def written(folder: Path, content: str | bytes, name: str = "x.txt") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


FORMATS = {
    "GloVe": ("x.txt", GLOVE.encode()),
    "word2vec and fastText": ("x.vec", (HEADER + GLOVE).replace("\n", " \n").encode()),
    "gzipped": ("x.vec.gz", gzip.compress((HEADER + GLOVE).encode())),
    "gzipped twice over": (
        "x.gz",
        gzip.compress(ROWS[0].encode() + b"\n")
        + gzip.compress("".join(row + "\n" for row in ROWS[1:]).encode()),
    ),
    "Windows": ("x.txt", b"\xef\xbb\xbf" + GLOVE.replace("\n", "\r\n").encode()),
    "empty lines": ("x.txt", GLOVE.replace("\n", "\n\n").encode()),
}


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("block", [1 << 22, 60, 7])
def test_every_format_gives_the_same_vectors(
    name: str, block: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vectors, "BLOCK", block)
    file, content = FORMATS[name]
    read = vectors.read(written(tmp_path, content, file))
    assert read.words == WORDS
    assert read.values.dtype == np.float32
    np.testing.assert_array_equal(read.values, VALUES)
    for limit in (1, 3, len(WORDS), 99):
        some = vectors.read(tmp_path / file, limit)
        assert some.words == WORDS[:limit]
        np.testing.assert_array_equal(some.values, VALUES[:limit])


def test_words_may_hold_spaces(tmp_path: Path) -> None:
    spaced = [". . .", "at name@domain.com", "a\x85b", "\u3000"]
    content = "".join(f"{word} {i}.5 -1e-3\n" for i, word in enumerate(["x", *spaced, "y"]))
    read = vectors.read(written(tmp_path, content))
    assert read.words == ["x", *spaced, "y"]
    np.testing.assert_array_equal(
        read.values, np.array([[i + 0.5, -1e-3] for i in range(6)], np.float32)
    )


def test_of_repeated_words_the_first_is_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "reprise"):
        read = vectors.read(written(tmp_path, "4 2\na 1 2\nb 3 4\na 5 6\na b 7 8\n"))
    assert read.words == ["a", "b", "a b"]
    np.testing.assert_array_equal(read.values, [[1, 2], [3, 4], [7, 8]])
    assert "1 rows repeat a word" in caplog.text


LONG = "".join(f"w{i} 1.5 2.5\n" for i in range(50))
FAULTS = {
    "empty": (b"", "received an empty file"),
    "blank": (b"\n\n", "line 1: expected a word and its vector"),
    "header alone": (b"3 5\n", "received a header without any"),
    "cut off in its last row": (GLOVE[:-12] + "\n", "line 7: expected 5 numbers"),
    "cut off in its last number": (GLOVE[:-2], "line 7: expected a line end after the last number"),
    "cut off between rows": (
        HEADER + GLOVE.rsplit("\n", 2)[0] + "\n",
        r"expected 7 words, as the header says, received 6: it may be cut off",
    ),
    "more rows than the header says": (
        "6 5\n" + GLOVE,
        "expected 6 words, as the header says, received 7: the header is wrong",
    ),
    "another size than the header says": (HEADER.replace(" 5", " 4") + GLOVE, "line 2: expected 4"),
    "a smaller size than the header says": (
        HEADER.replace(" 5", " 6") + GLOVE,
        "line 2: expected 6 numbers",
    ),
    "a shorter row": (LONG + "x 1\n" + LONG, "line 51: expected 2 numbers.* received 1"),
    "a longer row": (LONG + "x 1 2 3\n" + LONG, "line 51: expected 2 numbers.* received 3"),
    "a shorter first row": ("x 1 2\n" + "y 1 2 3\n", "line 2: expected 2 numbers.* received 3"),
    "a row without numbers": (LONG + "x\n", "line 51: expected 2 numbers.* received 0"),
    "a row without a word": (LONG + " 1 2\n", "line 51: expected a word"),
    "no number": (LONG + "x 1 2,5\n", "line 51: expected 2 finite numbers .* received '2,5'"),
    "nan": (LONG + "x 1 nan\n", "line 51: expected 2 finite numbers .* received 'nan'"),
    "inf": (LONG + "x -inf 1\n", "line 51: expected 2 finite numbers .* received '-inf'"),
    "too large": (LONG + "x 1e39 1\n", "expected numbers in the range of 32-bit floats"),
    "counts": ("the 12\nof 7\n", "line 1: expected at least 2 numbers for each word, received 1"),
    "a header of counts": ("2 1\nthe 12\nof 7\n", "line 1: expected at least 2 numbers"),
    "prose": ("It was the best of times.\n", "line 1: expected a word and its vector"),
    "tabs": ("the\t1\t2\n", "between single spaces"),
    "other encoding": (LONG.encode() + "naïve 1 2\n".encode("latin-1"), "line 51: .* in UTF-8"),
    "binary": (b"2 2\n" + b"the " + np.ones(2, np.float32).tobytes(), "received a binary file"),
    "gzipped under another name": (gzip.compress(GLOVE.encode()), "let its name end in .gz"),
    "a zip archive": (b"PK\x03\x04" + GLOVE.encode(), "received a zip archive"),
    "a line without an end": (b"1 2 " * (1 << 19), "received a line of more than 1 MiB"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_one_error_that_names_its_place(fault: str, tmp_path: Path) -> None:
    content, message = FAULTS[fault]
    with pytest.raises(InputError, match=message) as error:
        vectors.read(written(tmp_path, content))
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 400


def test_no_cut_of_a_file_goes_unnoticed(tmp_path: Path) -> None:
    """A file with a header cannot lose its end; one without can lose whole rows alone."""
    for content in (GLOVE, HEADER + GLOVE):
        for end in range(len(content.encode())):
            path = written(tmp_path, content.encode()[:end])
            try:
                read = vectors.read(path)
            except InputError:
                continue
            assert content == GLOVE
            assert read.words == WORDS[: len(read.words)]
            np.testing.assert_array_equal(read.values, VALUES[: len(read.words)])


@pytest.mark.parametrize("content", [b"", b"no gzip", gzip.compress(GLOVE.encode())[:-20]])
def test_a_damaged_gzipped_file_is_one_error(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected"):
        vectors.read(written(tmp_path, content, "x.txt.gz"))


def test_a_file_that_is_missing_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"expected a raw file at .*none\.txt"):
        vectors.read(tmp_path / "none.txt")


@pytest.mark.parametrize(
    "path",
    ["glove.txt", "data/raw/glove.txt", "data/raw/vectors", "data/raw/vectors/../x", "/x", 3],
)
def test_vectors_are_in_their_folder(path: object) -> None:
    with pytest.raises(InputError, match=r"^params\.yaml: x: expected "):
        validated(path, vectors.VectorPath, "x")
    good = "data/raw/vectors/a/b.txt.gz"
    assert validated(good, vectors.VectorPath, "x") == good
