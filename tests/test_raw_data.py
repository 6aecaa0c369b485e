"""The raw data that is committed: complete, read as meant, and with a licence beside it."""

import csv
import gzip
import re
from collections import Counter

import pandas as pd
import pytest

from stages.files import raw_tables, recordings, vectors
from stages.formats import FileFormat, Wanted
from tests.conftest import ROOT

RAW = ROOT / "data/raw"
FOLDERS = {
    "reviews": "CC BY 4.0",
    "wikigold": "CC-BY 4.0",
    "vectors": "Public Domain Dedication",
    "tatoeba": "CC BY 2.0 FR",
    "spoken_digits": "CC BY-SA 4.0",
}
SUFFIXES = (".csv", ".gz", ".txt", ".zip")


@pytest.mark.parametrize("folder", FOLDERS)
def test_data_has_its_licence_and_source_beside_it(folder: str) -> None:
    assert FOLDERS[folder] in (RAW / folder / "LICENSE").read_text()
    page = (RAW / folder / "README.md").read_text()
    assert "Source: " in page
    assert "Licence: [" in page
    assert "Changes: " in page
    files = [path for path in (RAW / folder).iterdir() if path.suffix in SUFFIXES]
    assert 0 < sum(path.stat().st_size for path in files) < 2_000_000
    assert any(f"`{path.name}`" in page for path in files)


def test_the_sentences_of_reviews_are_read_as_they_were_written() -> None:
    names = ["text", "label", "source"]
    table = raw_tables.read_raw(
        RAW / "reviews/sentences.csv", Wanted(names), FileFormat(file="data/raw/x")
    )
    counts = Counter(zip(table["label"], table["source"], strict=True))
    assert len(counts) == 6
    assert set(counts.values()) == {500}
    with (RAW / "reviews/sentences.csv").open(encoding="utf-8", newline="") as file:
        assert [*csv.reader(file)] == [names, *table.to_numpy().tolist()]
    assert table["text"].str.contains('"').sum() == 11
    assert not table["text"].str.contains("[\t\n\r]").any()
    # The benchmarks read the same file.
    linked = ROOT / "benchmarks/data/raw/reviews/sentences.csv"
    assert linked.samefile(RAW / "reviews/sentences.csv")


def test_the_documents_of_wikigold_are_complete() -> None:
    path = RAW / "wikigold/wikigold.conll.txt"
    lines = path.read_text(encoding="utf-8").split("\n")
    tokens = pd.Series([line for line in lines if line]).str.split(" ")
    assert set(tokens.str.len()) == {2}
    assert (tokens.str[0] == "-DOCSTART-").sum() == 145
    assert set(tokens.str[1]) == {"O", "I-PER", "I-LOC", "I-ORG", "I-MISC"}
    assert (ROOT / "benchmarks/data/raw/wikigold/wikigold.conll.txt").samefile(path)


def test_the_pairs_of_tatoeba_name_their_authors() -> None:
    path = RAW / "tatoeba/swedish.tsv.gz"
    names = ["sv", "en", "sv_id", "sv_author", "en_id", "en_author"]
    table = raw_tables.read_raw(path, Wanted(names), FileFormat(file="data/raw/x"))
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        assert [*csv.reader(file, delimiter="\t")] == [names, *table.to_numpy().tolist()]
    assert len(table) == 21_442
    words = table[["sv", "en"]].map(lambda text: len(text.split()))
    assert words.min(axis=None) == 1
    assert words.max(axis=None) == 7
    assert (table[["sv_author", "en_author"]] != "").all(axis=None)
    for number in ("sv_id", "en_id"):
        assert table[number].str.fullmatch(r"[1-9]\d*").all()
        # A number is that of one sentence.
        assert table.groupby(number)[number[:2]].nunique().max() == 1
    # Swedish has three letters that English lacks.
    has_them = table[["sv", "en"]].map(lambda text: bool(re.search("[åäöÅÄÖ]", text)))
    assert has_them["sv"].mean() > 0.7 > 0.01 > has_them["en"].mean()
    # Neither time nor name of a file, which would change the bytes.
    assert path.read_bytes()[:8] == b"\x1f\x8b\x08\0\0\0\0\0"


def test_the_spoken_digits_are_what_their_page_says() -> None:
    layout = recordings.Layout(rate=8000, table="transcripts.csv", speaker="speaker", also=["take"])
    table = recordings.read(RAW / "spoken_digits/recordings.zip", layout)
    words = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
    said = table["recording"].str.extract(r"(?P<digit>\d)_(?P<speaker>\w+)_(?P<take>\d+)\.flac")
    assert [words[int(digit)] for digit in said["digit"]] == table["transcript"].tolist()
    for name in ("speaker", "take"):
        assert said[name].tolist() == table[name].tolist()
    counts = table.groupby(["transcript", "speaker"])["take"].agg(set)
    assert len(counts) == 60
    assert all(takes == {"0", "1", *map(str, range(5, 11))} for takes in counts)
    seconds = table["samples"].map(len) / 8000
    assert 0.1 < seconds.min() < seconds.max() < 2.5
    assert len({samples.tobytes() for samples in table["samples"]}) == 480


def test_the_vectors_that_ship() -> None:
    read = vectors.read(RAW / "vectors/glove.12k.100d.txt.gz")
    assert read.values.shape == (12_000, 100)
    (man, king, queen, woman), covered = read.of(["man", "king", "queen", "Woman"])
    assert covered.all()

    def cosine(a: object, b: object) -> float:
        table = pd.DataFrame([a, b]).T
        return float((table[0] * table[1]).sum() / (table**2).sum().prod() ** 0.5)

    assert cosine(king - man + woman, queen) > 0.7 > cosine(king, woman)
