"""Raw pairs of texts to a table: every form of file, splits, and input that is wrong."""

import csv
import gzip
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from stages import ingest
from stages.kinds.sequence_to_sequence.ingest import Parameters, connected, folded, read
from stages.kinds.sequence_to_sequence.ingest import ingest as ingest_pairs
from stages.splits import SPLITS
from tests.conftest import ROOT
from tests.kinds.sequence_to_sequence.pairs import FOLDER, ingested, write_parameters
from tests.tasks import error_of, write_raw

PAIRS = [
    ("ein Hund", "a dog"),
    ('zwei "Hunde", ja', 'two "dogs", yes'),
    ("drei Äpfel", "three apples"),
    ("vier", "four"),
    ("fünf", "five"),
    ("sechs", "six"),
]
COUNTS = {"train": 3, "validation": 2, "test": 1}
NAMED = {"train": "train", "validation": "val", "test": "test"}
SIDES = {"source": "de", "target": "en", "split": COUNTS}
PARALLEL = {**SIDES, "file": "data/raw/pairs", "parallel": True}

pytestmark = pytest.mark.usefixtures("folder")


@pytest.fixture(autouse=True)
def raw(folder: Path) -> Path:
    path = folder / "data/raw"
    path.mkdir(parents=True)
    return path


def rows(*pairs: tuple[Any, Any]) -> str:
    """Returns pairs as JSON lines."""
    return "".join(json.dumps({"de": source, "en": target}) + "\n" for source, target in pairs)


def write_lines(name: str, texts: list[str]) -> None:
    content = "".join(text + "\n" for text in texts)
    path = Path("data/raw/pairs", name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(content.encode()) if path.suffix == ".gz" else content.encode())


def write_table(path: str) -> None:
    table = pd.DataFrame(PAIRS, columns=["de", "en"])
    writers: dict[str, Callable[[], Any]] = {
        "csv": lambda: table.to_csv(path, index=False),
        "tsv": lambda: table.to_csv(path, index=False, sep="\t", quoting=csv.QUOTE_ALL),
        "gz": lambda: table.to_csv(path, index=False, sep="\t"),
        "parquet": lambda: table.to_parquet(path),
        "xlsx": lambda: table.to_excel(path, index=False),
        "jsonl": lambda: table.to_json(path, orient="records", lines=True),
        "json": lambda: table.to_json(path, orient="records"),
    }
    writers[path.rsplit(".", 1)[-1]]()


@pytest.mark.parametrize(
    "name", ["x.csv", "x.tsv", "x.tsv.gz", "x.parquet", "x.xlsx", "x.jsonl", "x.json"]
)
def test_every_form_of_table_gives_the_same_pairs(name: str) -> None:
    write_table(f"data/raw/{name}")
    table, about = ingested(**SIDES, file=f"data/raw/{name}")
    assert [*table.itertuples(index=False, name=None)] == [
        (*pair, split) for pair, split in zip(PAIRS, [0, 0, 0, 1, 1, 2], strict=True)
    ]
    assert table["split"].dtype == np.int8
    assert about.references == ["target"]
    assert about.pairs == COUNTS
    assert sum(about.dropped.values()) == 0


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("train.de", "train.en"),
        ("train.de.gz", "train.en"),
        ("train.de.txt", "train.en.txt.gz"),
        ("train/de.txt", "train/en"),
        ("de.txt", "en.TXT"),
    ],
)
def test_lines_of_two_files_are_pairs(source: str, target: str) -> None:
    write_lines(source, [pair[0] for pair in PAIRS])
    write_lines(target, [f"  {pair[1]}\r" for pair in PAIRS])
    for other in (".hidden.de", "train.fr", "README.md", "notes.den"):
        write_lines(other, ["x"])
    table, _ = ingested(**PARALLEL)
    assert [*zip(table["source"], table["target"], strict=True)] == PAIRS


def test_parallel_files_are_splits_and_may_have_further_references() -> None:
    for name, first in (("test", 0), ("train", 10), ("val", 20), ("unused", 30)):
        write_lines(f"{name}.de", [f"eins {first}", f"zwei {first}"])
        write_lines(f"{name}.en", [f"one {first}", f"two {first}"])
    write_lines("test.en2.gz", ["an alternative", ""])
    section = {**PARALLEL, "split": NAMED, "references": ["en2"]}
    table, about = ingested(**section)
    assert table["source"].tolist() == [
        f"{word} {n}" for n in (10, 20, 0) for word in ("eins", "zwei")
    ]
    assert table["split"].tolist() == [0, 0, 1, 1, 2, 2]
    assert about.references == ["target", "reference_2"]
    assert [*table["reference_2"]] == [""] * 4 + ["an alternative", ""]
    # Without names all files are read, in the order of their names.
    everything, _ = ingested(**(PARALLEL | {"split": {"train": 6, "validation": 1, "test": 1}}))
    numbers = [int(text.split()[1]) for text in everything["source"]]
    assert numbers == [0, 0, 10, 10, 30, 30, 20, 20]


def test_a_target_may_be_a_list_and_references_columns() -> None:
    targets = [["one", " ", "first"], "two", ["three"], ["", "four", "4", "IV"], None, []]
    content = "".join(
        json.dumps({"de": f"s{n}", "en": target, "more": f"m{n}" if n % 2 else None}) + "\n"
        for n, target in enumerate(targets)
    )
    write_raw("x.jsonl", content)
    split = {"train": 2, "validation": 1, "test": 1}
    table, about = ingested(
        **(SIDES | {"file": "data/raw/x.jsonl", "references": ["more"], "split": split})
    )
    assert about.references == ["target", "reference_2", "reference_3", "reference_4"]
    assert table["target"].tolist() == ["one", "two", "three", "four"]
    assert table[about.references[1:]].to_numpy().tolist() == [
        ["first", "", ""],
        ["", "", "m1"],
        ["", "", ""],
        ["4", "IV", "m3"],
    ]
    assert about.dropped["empty"] == 2


def test_a_seed_shuffles_and_rows_beyond_the_split_are_counted() -> None:
    write_raw("x.jsonl", rows(*((f"s{n}", f"t{n}") for n in range(40))))
    split = {"train": 0.5, "validation": 0.25, "test": 0.125}
    found = {}
    for seed in (None, 1, 2):
        table, about = ingested(
            **(SIDES | {"file": "data/raw/x.jsonl", "split": split, "shuffle": seed})
        )
        assert about.pairs == {"train": 20, "validation": 10, "test": 5}
        assert about.dropped == {"empty": 0, "in no split": 5, "repeated": 0}
        assert (table["source"].str[1:] == table["target"].str[1:]).all()
        found[seed] = set(table["source"][table["split"] == 0])
    assert found[None] == {f"s{n}" for n in range(20)}
    assert len({*map(frozenset, found.values())}) == 3


def test_pairs_of_a_group_are_in_one_split() -> None:
    content = "de,en,page\n" + "".join(f"s{n},t{n},{n % 10}\n" for n in range(100))
    write_raw("x.csv", content)
    section = SIDES | {
        "file": "data/raw/x.csv",
        "split": {"train": 60, "validation": 20, "test": 20},
    }
    table, about = ingested(**section, group="page")
    assert about.pairs == {"train": 60, "validation": 20, "test": 20}
    groups = table["source"].str[1:].astype(int) % 10
    assert table.groupby(groups)["split"].nunique().max() == 1
    # Two pages that share a target are one component.
    write_raw("x.csv", content.replace("t13,", "t14,"))
    table, _ = ingested(**section, group="page", components=True)
    groups = (table["source"].str[1:].astype(int) % 10).replace(3, 4)
    assert table.groupby(groups)["split"].nunique().max() == 1


def naive_components(keys: list[list[int]]) -> list[int]:
    """Returns the smallest row of each row's component, by joining until nothing changes."""
    smallest = list(range(len(keys[0])))
    changed = True
    while changed:
        changed = False
        for key in keys:
            for row, one in enumerate(key):
                for other, two in enumerate(key):
                    if one == two and smallest[other] < smallest[row]:
                        smallest[row], changed = smallest[other], True
    return smallest


@pytest.mark.parametrize("seed", range(8))
def test_connected_rows_are_those_of_a_naive_search(seed: int) -> None:
    rng = np.random.default_rng(seed)
    keys = [rng.integers(0, size, 40).tolist() for size in (30, 35, 60)[: 1 + seed % 3]]
    found = connected([pd.Series([f"text {value}" for value in key]) for key in keys])
    expected = naive_components(keys)
    assert len(set(zip(found, expected, strict=True))) == len(set(found)) == len(set(expected))


def test_no_sentence_of_the_default_data_is_in_two_splits() -> None:
    parameters = Parameters(
        file="data/raw/tatoeba/swedish.tsv.gz",
        source="sv",
        target="en",
        components=True,
        split={"train": 0.8, "validation": 0.1, "test": 0.1},  # type: ignore[arg-type]
    )
    table, about = ingest_pairs(read(ROOT / parameters.file, parameters), parameters)
    assert about.pairs == {"train": 17153, "validation": 2144, "test": 2145}
    assert sum(about.dropped.values()) == 0
    for side in ("source", "target"):
        # Another way to leave out case and punctuation, for Latin letters.
        keys = table[side].str.lower().str.findall(r"\w+").str.join(" ")
        assert table.groupby(keys)["split"].nunique().max() == 1
        assert keys.nunique() < len(keys)


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("Go!", "go", True),
        ("Let's  go.", "let’s go", True),
        ("Straße", "STRASSE", True),
        ("ﬁne", "fine", True),
        ("a\u0301", "Á", True),
        ("snake_case", "snake case", True),
        ("go", "goo", False),
        ("...", "!", False),
        ("1 + 1", "1 - 1", False),
        ("\u0915\u093f", "\u0915", False),
    ],
)
def test_texts_are_the_same_but_for_case_and_punctuation(
    one: str, other: str, is_same: bool
) -> None:
    assert (folded(one) == folded(other)) is is_same


REPEATED = [
    ("a", "x"),
    ("b", "y"),
    ("A!", "X"),
    ("c", "z"),
    ("a", "y"),
    ("c.", "z"),
    ("d", "w"),
    ("a", "x"),
]


@pytest.mark.parametrize("repeated", ["drop", "keep"])
def test_pairs_of_an_earlier_split_are_dropped_or_kept(
    repeated: str, caplog: pytest.LogCaptureFixture
) -> None:
    write_raw("x.jsonl", rows(*REPEATED))
    split = {"train": 2, "validation": 3, "test": 3}
    section = SIDES | {"file": "data/raw/x.jsonl", "split": split, "repeated": repeated}
    with caplog.at_level(logging.WARNING):
        table, about = ingested(**section)
    assert "1 sources stand in a split before theirs too, with another target" in caplog.text
    found = [*zip(table["source"], table["target"], table["split"], strict=True)]
    everything = [(*pair, n) for pair, n in zip(REPEATED, [0, 0, 1, 1, 1, 2, 2, 2], strict=True)]
    if repeated == "keep":
        assert found == everything
        assert "3 pairs stand in a split before theirs too" in caplog.text
        assert "repeated" not in about.dropped
    else:
        assert found == [row for n, row in enumerate(everything) if n not in (2, 5, 7)]
        assert about.dropped["repeated"] == 3
        assert about.pairs == {"train": 2, "validation": 2, "test": 1}


def test_an_empty_side_is_dropped_and_counted() -> None:
    write_raw("x.jsonl", rows(*PAIRS[:3], ("", "x"), (" \t", "y"), ("z", None), *PAIRS[3:]))
    table, about = ingested(**SIDES, file="data/raw/x.jsonl")
    assert [*zip(table["source"], table["target"], strict=True)] == PAIRS
    assert about.dropped == {"empty": 3, "in no split": 0, "repeated": 0}


WRONG: dict[str, tuple[str, dict[str, Any], str]] = {
    "no column": (rows(*PAIRS), {"source": "sv"}, "expected the key 'sv', found 'de', 'en'"),
    "no reference": (rows(*PAIRS), {"references": ["fr"]}, "expected the key 'fr'"),
    "an empty file": ("", {}, "expected pairs of texts, received 0 rows"),
    "empty sides": (rows(("a", ""), ("", "b")), {}, "received 2 rows with an empty 'de' or 'en'"),
    "a refused source": (
        rows(*PAIRS[:4], ("  ", "a"), ("b", ""), *PAIRS[4:]),
        {"empty": "refuse"},
        "row 5: expected a source, received an empty one in 'de' (2 such rows)",
    ),
    "a refused target": (
        rows(("b", ""), *PAIRS),
        {"empty": "refuse"},
        "row 1: expected a target, received an empty one in 'en' (1 such rows)",
    ),
    "a refused pair": (
        rows(*PAIRS[:5], PAIRS[0]),
        {"repeated": "refuse"},
        "row 6: expected each pair in one split, received one that stands in a split before too, "
        "'ein Hund' (1 such pairs)",
    ),
    "all of test repeated": (rows(*PAIRS[:5], PAIRS[0]), {}, "'test': 0} (not in one: {'empty': 0"),
    "too few": (rows(*PAIRS[:4]), {}, "expected at most 4 in all"),
    "one component": (
        rows(*((f"s{n // 2}", f"t{(n + 1) // 2}") for n in range(10))),
        {"components": True},
        "expected at least one pair in each split, received {'train'",
    ),
    "no text": (rows(*PAIRS[:5], (3, "x")), {}, "row 6: column 'de': expected text, received 3"),
    "an odd list": (
        rows(*PAIRS[:5], ("x", ["y", 3])),
        {},
        "row 6: column 'en': expected a text or a list of texts, received ['y', 3]",
    ),
    "no target text": (rows(("x", 3), *PAIRS), {}, "row 1: column 'en': expected text, received 3"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_one_error_and_earlier_results_stay(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_raw("x.jsonl", rows(*PAIRS))
    ingested(**SIDES, file="data/raw/x.jsonl")
    before = (FOLDER / "table.parquet").read_bytes()
    content, section, message = WRONG[name]
    write_raw("x.jsonl", content)
    write_parameters({**SIDES, "file": "data/raw/x.jsonl", **section})
    assert message in error_of(ingest.main, ["x"], monkeypatch)
    assert (FOLDER / "table.parquet").read_bytes() == before


LINES = ["a", "b", "", "d"]
WRONG_FILES: dict[str, tuple[dict[str, list[str]], dict[str, Any], str]] = {
    "an empty line": (
        {"t.de": LINES, "t.en": ["a", "", "d"]},
        {},
        "received 4 lines in t.de and 3 lines in t.en: line 2 is the first that is empty in one",
    ),
    "a line behind the end": (
        {"t.de": LINES, "t.en": [*LINES, "e"]},
        {},
        "received 4 lines in t.de and 5 lines in t.en: line 5 stands in one of them alone",
    ),
    "fewer references": (
        {"t.de": LINES, "t.en": LINES, "t.fr": LINES[:2]},
        {"references": ["fr"]},
        "received 4 lines in t.de and 2 lines in t.fr",
    ),
    "an empty file": (
        {"t.de": [], "t.en": []},
        {},
        "data/raw/pairs/t.de: expected texts, received an empty file",
    ),
    "one side": (
        {"t.de": LINES, "u.de": LINES, "t.en": LINES},
        {},
        "expected the file u.en (or with .txt, .gz or both behind it), found 't.de', 't.en', 'u",
    ),
    "no name": (
        {"train.de": LINES, "train.en": LINES},
        {"split": NAMED},
        "expected the file val.de",
    ),
    "other endings": ({"t.sv": LINES}, {}, "expected files NAME.de and NAME.en, found 't.sv'"),
    "no such reference": (
        {"t.de": LINES, "t.en": LINES},
        {"references": ["fr"]},
        "expected the file t.fr",
    ),
    "twice": (
        {"t.de": LINES, "t.de.gz": LINES, "t.en": LINES},
        {},
        "expected one file for t.de, received t.de and t.de.gz",
    ),
}


@pytest.mark.parametrize("name", WRONG_FILES)
def test_parallel_files_that_do_not_fit_are_one_error(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    files, section, message = WRONG_FILES[name]
    for file, texts in files.items():
        write_lines(file, texts)
    write_parameters({**PARALLEL, **section})
    assert message in error_of(ingest.main, ["x"], monkeypatch)


def test_parallel_texts_are_in_a_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    write_parameters(PARALLEL)
    assert "expected a folder with files such as train.de, received nothing there" in error_of(
        ingest.main, ["x"], monkeypatch
    )
    write_raw("pairs", "x\n")
    assert "such as train.de, received a file" in error_of(ingest.main, ["x"], monkeypatch)


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"target": "de"}, "expected different names for `source`, `target` and each of"),
        ({"references": ["en"]}, "expected different names for `source`, `target` and each of"),
        (
            {"split": NAMED, "components": True},
            "`group` and `components` with fractions or numbers",
        ),
        ({"split": NAMED, "group": "page"}, "`group` and `components` with fractions or numbers"),
        ({"parallel": True, "group": "page"}, "`group: file`, or null, with `parallel`"),
        ({"split": {**NAMED, "test": "val"}}, "expected three different files"),
        ({"repeated": "twice"}, "ingest.repeated: expected"),
    ],
)
def test_parameters_that_do_not_fit_are_one_error(
    section: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_parameters({**SIDES, "file": "data/raw/x.csv", **section})
    assert message in error_of(ingest.main, ["x"], monkeypatch)


def test_splits_have_their_usual_numbers() -> None:
    assert SPLITS == ("train", "validation", "test")
