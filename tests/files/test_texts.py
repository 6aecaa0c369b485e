"""Raw texts: where lines end, what is refused, and that no file outside the folder is read."""

import gzip
import io
import json
import tarfile
import tracemalloc
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from stages import ingest as stage
from stages.errors import InputError
from stages.files import parameters, raw, texts
from stages.formats import FileFormat, Wanted
from stages.kinds.language_modelling import ingest
from stages.text.data import IngestedTexts

# What `str.splitlines` takes for the end of a line, and no editor does.
INNER = "\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"
FORM = FileFormat(file="data/raw/x")
THIRDS = {"train": 0.6, "validation": 0.2, "test": 0.2}


def lines_of(path: Path) -> list[str]:
    [table] = texts.read_files(path, None, Wanted([]), FORM)
    return table["text"].tolist()


def ingested(source: Path, **section: Any) -> tuple[pd.DataFrame, IngestedTexts]:
    section = {"file": "data/raw/x", "split": THIRDS} | section
    parameters = ingest.Parameters.model_validate(section)
    return ingest.ingest(ingest.read(source, parameters), parameters)


def error_of(path: Path, columns: list[str] | None = None, names: list[str] | None = None) -> str:
    with pytest.raises(InputError) as error:
        texts.read_files(path, names, Wanted(columns or []), FORM)
    assert len(str(error.value).splitlines()) == 1
    return str(error.value)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("last", [True, False])
def test_a_line_ends_at_its_end_and_nowhere_else(end: str, last: bool, tmp_path: Path) -> None:
    expected = ["first", *(f"page{character}break" for character in INNER), "", "last"]
    path = tmp_path / "x.txt"
    path.write_bytes((end.join(expected) + end * last).encode())
    assert lines_of(path) == expected


def test_line_separators_in_json_strings_are_text(tmp_path: Path) -> None:
    expected = [f"page{character}break" for character in INNER if character >= "\x7f"]
    path = tmp_path / "x.jsonl"
    path.write_text(
        "".join(json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in expected)
    )
    [table] = texts.read_files(path, None, Wanted(["text"]), FORM)
    assert table["text"].tolist() == expected


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("zipped", [False, True])
def test_unicode_with_a_mark_is_read(encoding: str, zipped: bool, tmp_path: Path) -> None:
    path = tmp_path / ("x.txt.GZ" if zipped else "x.txt")
    content = "naïve\n日本語\n👩‍👧\n".encode(encoding)
    path.write_bytes(gzip.compress(content) if zipped else content)
    assert lines_of(path) == ["naïve", "日本語", "👩‍👧"]


def tar_of(content: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        entry = tarfile.TarInfo("inside.txt")
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    return out.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.tar.gz", gzip.compress(tar_of(b"one\ntwo\n")), "received a tar archive: unpack it"),
        ("x.txt", tar_of(b"one\ntwo\n"), "received a tar archive: unpack it"),
        ("x.txt", gzip.compress(b"one\ntwo\n"), "received a gzipped file: let its name end in .gz"),
        ("x.txt.gz", gzip.compress(gzip.compress(b"one\n")), "received a gzipped file"),
        ("x.txt", b"PK\x03\x04rest", "received a zip archive"),
        ("x.txt", b"one\ntw\0o\n", "received a NUL character at offset 6"),
        (
            "x.txt",
            "one\ntwo\n".encode("utf-16-le"),
            "received a NUL character at offset 1, .* UTF-16 without a byte order mark",
        ),
        ("x.txt", "one\ntwo\n".encode("utf-16-be"), "received a NUL character"),
        (
            "x.txt",
            "one".encode("utf-16") + b"\n",
            "expected UTF-16-LE text, received the byte 0x0a at offset 8",
        ),
        ("x.txt", b"one\n\xff", "expected UTF-8 text, received the byte 0xff at offset 4"),
        ("x.txt.gz", gzip.compress(b"one\n" * 99)[:-9], "expected a gzipped file"),
        ("x.txt.gz", gzip.compress(b"one\n" * 99)[:12] + b"\xff" * 20, "expected a gzipped file"),
    ],
)
def test_a_file_that_is_not_text_is_refused(
    name: str, content: bytes, message: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        lines_of(tmp_path / name)


def test_a_gzipped_file_that_grows_without_end_is_refused_in_bounded_memory(tmp_path: Path) -> None:
    for name, columns in (("x.txt.gz", []), ("x.jsonl.gz", ["text"])):
        with gzip.open(tmp_path / name, "wb", compresslevel=1) as file:
            for _ in range(300):
                file.write(bytes(1 << 20))
        tracemalloc.start()
        assert "expected a gzipped file that holds at most" in error_of(tmp_path / name, columns)
        assert tracemalloc.get_traced_memory()[1] < 4 * max(
            raw.UNPACKED, raw.GROWTH * (tmp_path / name).stat().st_size
        )
        tracemalloc.stop()


def test_a_gzipped_text_that_repeats_itself_is_read(tmp_path: Path) -> None:
    (tmp_path / "x.txt.gz").write_bytes(gzip.compress(b"the same line\n" * 1_000_000))
    assert len(lines_of(tmp_path / "x.txt.gz")) == 1_000_000


DEEP = "[" * 100_000 + "]" * 100_000


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "x.jsonl",
            '{"text": "a\\ud800b"}',
            r"line 1: expected Unicode characters, received half of a surrogate pair in "
            r"'a\\ud800b'",
        ),
        ("x.jsonl", '{"text": "a", "other": ' + DEEP + "}", "line 1: .* nested too deeply"),
        ("x.json", DEEP, "nested too deeply"),
        (
            "x.jsonl",
            '{"text": "a"}\n[1, 2]\n',
            r"line 2: expected a JSON object, received \[1, 2\]: an array is read from .*json",
        ),
        (
            "x.jsonl",
            '[{"text": "a"},\n{"text": "b"}]',
            r"line 1: .* \(an array over several lines is read from .*json\)",
        ),
        ("x.jsonl", "3\n", "line 1: expected a JSON object, received 3"),
        ("x.jsonl", "null\n", "line 1: expected a JSON object, received None"),
        ("x.jsonl", '"text"\n', "line 1: expected a JSON object, received 'text'"),
        (
            "x.jsonl",
            '{"text": 1' + "0" * 5000 + "}",
            "line 1: expected a JSON object, received one that cannot be read",
        ),
        ("x.json", '[{"text": "a"}, 3]', "entry 2: expected a JSON object, received 3"),
        (
            "x.json",
            '[{"text": "a"}, {"other": 3}]',
            "entry 2: expected the key 'text', found 'other'",
        ),
        ("x.json", '[{"text": "a"},', "expected a JSON array, received one that cannot be read"),
    ],
)
def test_invalid_json_is_one_error(name: str, content: str, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=message):
        texts.read_files(tmp_path / name, None, Wanted(["text"]), FORM)


def test_json_is_read_as_an_array_or_as_lines(tmp_path: Path) -> None:
    rows = [{"text": f"line {row}\u2028", "group": row % 3} for row in range(9)]
    (tmp_path / "array.json").write_text(json.dumps(rows, indent=1))
    (tmp_path / "lines.json").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "x.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    (tmp_path / "x.json.gz").write_bytes(gzip.compress(json.dumps(rows).encode()))
    for name in ("array.json", "lines.json", "x.jsonl", "x.json.gz"):
        [table] = texts.read_files(tmp_path / name, None, Wanted(["text", "group"]), FORM)
        assert table.to_dict("records") == rows, name


@pytest.mark.parametrize(
    "values", [["null"], ["NA"], ["nan"], ["null", "NA", "nan", "None", "1", "001", "true", "1E5"]]
)
def test_texts_and_groups_that_spell_null_are_ordinary_names(
    values: list[str], tmp_path: Path
) -> None:
    rows = [
        {"text": values[row % len(values)], "group": values[row // 10 % len(values)]}
        for row in range(30)
    ]
    path = tmp_path / "x.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    table, about = ingested(path, text="text")
    assert table["text"].tolist() == [row["text"] for row in rows]
    assert about.dropped == 0
    if len(values) > 1:
        table, _ = ingested(
            path, text="text", group="group", split={"train": 10, "validation": 10, "test": "rest"}
        )
        assert sorted(table["text"]) == sorted(row["text"] for row in rows)


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (
            [1, None, "a"],
            r"row 2: column 'group': expected the name of a group, received an empty one \(1 such "
            r"rows\)",
        ),
        (
            ["a", "b", " "],
            "row 3: column 'group': expected the name of a group, received an empty one",
        ),
        (["a", 1.5, "b"], "row 2: .* text or a whole number, received 1.5"),
        (["a", "b", True], "row 3: .* text or a whole number, received True"),
        (["a", [1], "b"], r"row 2: .* received \[1\]"),
    ],
)
def test_a_group_without_a_name_is_an_error_that_names_its_row(
    groups: list[Any], message: str, tmp_path: Path
) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text("".join(json.dumps({"text": "a", "group": group}) + "\n" for group in groups))
    with pytest.raises(InputError, match=message):
        ingested(path, text="text", group="group")


def test_whole_numbers_and_the_texts_that_spell_them_name_one_group(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    groups = [group for number in range(20) for group in (number, str(number))]
    path.write_text(
        "".join(json.dumps({"text": f"of {group}", "group": group}) + "\n" for group in groups)
    )
    table, _ = ingested(path, text="text", group="group")
    assert (table.groupby("text")["split"].nunique() == 1).all()


def test_a_column_may_be_called_file(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text("".join(json.dumps({"file": f"text {row}"}) + "\n" for row in range(10)))
    assert ingested(path, text="file")[0]["text"].tolist() == [f"text {row}" for row in range(10)]
    with pytest.raises(InputError, match="expected `file` for a folder only"):
        ingested(path, text="file", group="file")


def test_hidden_files_and_those_of_dvc_are_left_out(tmp_path: Path) -> None:
    for name in (
        "a.txt",
        "sub/b.txt",
        ".hidden",
        ".git/config",
        "sub/.checkpoints/b.txt",
        "a.txt.dvc",
    ):
        (tmp_path / "x" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "x" / name).write_text(f"{name}\n")
    tables = texts.read_files(tmp_path / "x", None, Wanted([]), FORM)
    assert [table["text"].tolist() for table in tables] == [["a.txt"], ["sub/b.txt"]]
    assert [table.attrs["file"] for table in tables] == ["a.txt", "sub/b.txt"]


def test_links_out_of_the_folder_are_refused_and_those_to_the_cache_of_dvc_are_read(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "x"
    folder.mkdir()
    (tmp_path / "secret.txt").write_text("secret\n")
    cached = tmp_path / "cache/files/md5/ab" / ("0" * 30)
    cached.parent.mkdir(parents=True)
    cached.write_text("cached\n")
    (folder / "cached.txt").symlink_to(cached)
    assert lines_of(folder) == ["cached"]
    (folder / "out.txt").symlink_to(tmp_path / "secret.txt")
    for names in (None, ["out.txt"]):
        assert "received a link out of it" in error_of(folder, names=names)
    (folder / "out.txt").unlink()
    (folder / "loop.txt").symlink_to("loop.txt")
    for names in (None, ["loop.txt"]):
        assert "received a link that leads to no file" in error_of(folder, names=names)
    (folder / "loop.txt").unlink()
    (folder / "sub").symlink_to(tmp_path)
    assert "received a link" in error_of(folder)
    assert "received a link out of it" in error_of(folder, names=["sub/secret.txt"])


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "../../../etc/passwd", "a/../../x", "..", ".", "a\0b"]
)
def test_a_split_by_files_stays_in_its_folder(name: str) -> None:
    split = {"train": "a.txt", "validation": "b.txt", "test": name}
    with pytest.raises(InputError, match="a path that stays in its folder"):
        parameters.validated({"file": "data/raw/x", "split": split}, ingest.Parameters, "ingest")


def test_a_split_by_files_reads_the_named_files(tmp_path: Path) -> None:
    for name in ("a.txt", "sub/b.txt", "c.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"{name}\n")
    table, _ = ingested(
        tmp_path, split={"train": "c.txt", "validation": "sub/b.txt", "test": "a.txt"}
    )
    assert table["text"].tolist() == ["c.txt", "sub/b.txt", "a.txt"]
    assert "expected a folder" in error_of(tmp_path / "a.txt", names=["a.txt", "b.txt", "c.txt"])


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"split": {"train": "a", "validation": "a", "test": "c"}}, "three different files"),
        ({"split": "same", "group": "file"}, "this split has no use for it"),
        ({"group": "author"}, "whose texts `text` names"),
    ],
)
def test_sections_that_contradict_themselves_are_refused(
    section: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        parameters.validated(
            {"file": "data/raw/x", "split": THIRDS} | section, ingest.Parameters, "ingest"
        )


def test_a_split_that_asks_for_more_texts_than_there_are_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text("a\n" * 10)
    with pytest.raises(InputError, match="expected at most 10 in all, as there are, received 107"):
        ingested(tmp_path / "x.txt", split={"train": 5, "validation": 2, "test": 100})


def test_about_json_has_how_a_table_of_texts_was_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("data/raw").mkdir(parents=True)
    Path("data/raw/x.csv").write_text(
        "Letters\nwho;text\n" + "".join(f"{name};Dear {name}\n" for name in "abcdefghij")
    )
    task = {
        "kind": "language_modelling",
        "ingest": {"file": "data/raw/x.csv", "text": "text", "group": "who", "split": THIRDS},
    }
    Path("params.yaml").write_text(json.dumps({"seed": 1, "sources": {}, "tasks": {"x": task}}))
    stage.main(["x"])
    reading = json.loads(Path("data/ingested/x/about.json").read_text())["reading"]
    assert (reading["separator"], reading["lines_above_header"]) == (";", 1)
