"""Wrong parameters: one clear error within seconds, before any stage works.

No error has the wording of the validator.
"""

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from stages import check, kinds
from stages.errors import InputError
from stages.files import parameters
from tests.small_task import PARAMS, changed, folder
from tests.tasks import error_of

__all__ = ["folder"]


# Words of pydantic, and of an error in Reprise itself.
INTERNALS = (
    r"function-after|constrained-|literal\[|instance of|Parameters|Input should|fault of Reprise"
)


def refused(content: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    """Writes `params.yaml` and returns the one line with which the check refuses it."""
    Path("params.yaml").write_text(content if isinstance(content, str) else json.dumps(content))
    since = time.monotonic()
    error = error_of(check.main, [], monkeypatch)
    assert time.monotonic() - since < 10
    assert len(error.splitlines()) == 1, error
    assert len(error) < 1000
    assert not re.search(INTERNALS, error), error
    return error


SPLIT = "params.yaml: tasks.x.ingest.split"


@pytest.mark.parametrize(
    ("split", "message"),
    [
        ({"train": 0.8, "test": 0.2}, f"{SPLIT}.validation is missing"),
        (
            {"train": 0.8, "validation": 0.1, "test": "a tenth"},
            f"{SPLIT}.test: expected a valid number, received 'a tenth'",
        ),
        (
            {"train": 0.8, "validation": 0.1, "test": 0.1, "rest": 1},
            f"{SPLIT}.rest is not a known key",
        ),
        (
            {"train": 0, "validation": 9, "test": 9},
            f"{SPLIT}.train: expected greater than or equal to 1 or 'rest', received 0",
        ),
        (
            {"train": 0.8, "validation": 0.8, "test": 0.1},
            f"{SPLIT}: expected fractions whose sum is at most 1, received ",
        ),
        (
            {"validation": "soon", "test": "2020-01-01"},
            f'{SPLIT}.validation: expected a time in quotes, such as "2020-01-31" or '
            "\"2020-01-31 12:00\", received 'soon'",
        ),
        (
            "half",
            f"{SPLIT}: expected the keys train, validation, test or the keys validation, test, "
            "end or the keys until, validation, received 'half'",
        ),
        (
            None,
            f"{SPLIT}: expected the keys train, validation, test or the keys validation, test, "
            "end or the keys until, validation, received None",
        ),
    ],
)
def test_the_error_is_about_the_form_that_a_value_is_nearest_to(
    split: Any, message: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = YAML(typ="safe").load(json.dumps(changed("ingest.split", split)))
    error = refused(json.dumps(text).replace('"2020-01-01"', "2020-01-01"), monkeypatch)
    assert error.startswith(f"error: {message}")
    assert "; " not in error


@pytest.mark.parametrize(
    ("stage", "message"),
    [
        ("ingest", "is missing; it needs at least file, targets, split"),
        ("scale_and_window", "is missing; it needs at least lookback, horizon"),
        ("evaluate", "is missing; `evaluate: {}` takes all defaults"),
    ],
)
def test_advice_for_a_missing_section_is_true(
    stage: str, message: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = json.loads(json.dumps(PARAMS))
    del content["tasks"]["x"][stage]
    assert f"tasks.x.{stage} {message}" in refused(content, monkeypatch)


def test_advice_names_defaults_only_where_a_section_has_them(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = json.loads(json.dumps(PARAMS))
    for kind in kinds.names():
        for stage in check.SHARED:
            content["tasks"]["x"] = {"kind": kind}
            advice = check._missing(kinds.module(kind, stage).Parameters, "tasks.x.s", stage)
            try:
                parameters.validated({}, kinds.module(kind, stage).Parameters, "tasks.x.s")
                assert "takes all defaults" in advice
            except InputError:
                assert "takes all defaults" not in advice


@pytest.mark.parametrize(
    ("keys", "value", "message"),
    [
        (
            "kind",
            ["forecasting"],
            f"tasks.x.kind: expected one of {', '.join(kinds.names())}, received ['forecasting']",
        ),
        ("kind", {"a": 1}, "tasks.x.kind: expected one of"),
        ("kind", None, "tasks.x.kind: expected one of"),
        ("train", 3, "tasks.x.train: expected the keys cell, units"),
        ("train.Units", 3, "tasks.x.train.Units is not a known key; expected one of cell"),
        (
            "scale_and_window.lookback",
            10**30,
            "tasks.x.scale_and_window.lookback: expected less than or equal to 1000000000",
        ),
        (
            "scale_and_window.calendar",
            [1] * 5000,
            "tasks.x.scale_and_window.calendar: expected at most 100 items",
        ),
        ("scale_and_window.calendar", ["x"] * 90, "; 85 more faults"),
        (
            "ingest.parts",
            ["a.csv", "../../../outside.csv"],
            "tasks.x.ingest.parts.1: expected a path that stays in its folder",
        ),
        (
            "ingest.parts",
            ["/etc/passwd"],
            "tasks.x.ingest.parts.0: expected a path that stays in its folder",
        ),
        (
            "train.units",
            "x" * 10_000,
            "tasks.x.train.units: expected a valid integer, received 'xxx",
        ),
    ],
)
def test_odd_values_are_one_line(
    keys: str, value: Any, message: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert message in refused(changed(keys, value), monkeypatch)


def test_an_invalid_pattern_is_one_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = changed("ingest.values", "(")
    content["tasks"]["x"]["ingest"] |= {"layout": "rows", "series": "day", "time": None}
    assert "unterminated subpattern" in refused(content, monkeypatch)


@pytest.mark.parametrize(
    "split",
    [
        {"train": "a", "validation": "../../secret", "test": "c"},
        {"train": "/etc/passwd", "validation": "b", "test": "c"},
    ],
)
def test_texts_that_are_split_by_files_stay_in_their_folder(
    split: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = kinds.module("language_modelling", "ingest").Parameters
    with pytest.raises(
        InputError,
        match=r"^params.yaml: s.split.\w+: expected a path that stays in its folder, such as "
        r"[^;]*$",
    ):
        parameters.validated({"file": "data/raw/d", "split": split}, model, "s")


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("seed", -1, "seed: expected greater than or equal to 0, received -1"),
        ("seed", 2**31, "seed: expected less than 2147483648"),
        ("seed", True, "seed: expected a valid integer, received True"),
        ("seed", "7", "seed: expected a valid integer, received '7'"),
        ("seed", None, "seed: expected a valid integer, received None"),
        ("sources", None, "sources: expected `sources: {}` where there are none, received nothing"),
        ("sources", [], "sources: expected keys with values, received []"),
        ("sources", {"a": None}, "sources.a: expected keys with values, received None"),
        ("tasks", None, "tasks: expected keys with values, received None"),
        ("tasks", ["x"], "tasks: expected keys with values, received ['x']"),
        ("tasks", {"x": None}, "tasks.x: expected keys with values, received None"),
        ("tokenize_text", None, "tokenize_text: expected a valid list, received None"),
        (
            "scale_and_window",
            [["x"]],
            "scale_and_window.0: expected a valid string, received ['x']",
        ),
        ("scale_and_window", ["x", "y; touch z"], "scale_and_window: expected names of tasks"),
    ],
)
def test_odd_values_at_the_top_are_one_line(
    key: str, value: Any, message: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert f"params.yaml: {message}" in refused({**PARAMS, key: value}, monkeypatch)


@pytest.mark.parametrize("key", PARAMS)
def test_a_missing_key_at_the_top_is_named(
    key: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = refused({name: value for name, value in PARAMS.items() if name != key}, monkeypatch)
    assert error == f"error: params.yaml: {key} is missing"


NAMES = [
    *("x; touch y", "$(id)", "`id`", "../x", "-h", "", "a b", "a\n", "a.b", "a@b", "x'y", "a&b"),
    *("ｘ", "naïve", "1a", "a" * 101),
]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_a_shell_or_a_path_could_misread_is_refused(
    name: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = {"file": "y.txt", "lines": ["a"]}
    assert "sources: expected a name of up to 100 ASCII letters" in refused(
        {**PARAMS, "sources": {name: source}}, monkeypatch
    )
    content = {**PARAMS, "tasks": {name: PARAMS["tasks"]["x"]}, "scale_and_window": [name]}
    assert "tasks: expected a name of up to 100 ASCII letters" in refused(content, monkeypatch)


def test_no_task_may_have_the_name_of_the_summary(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = {
        **PARAMS,
        "tasks": {"summary": PARAMS["tasks"]["x"]},
        "scale_and_window": ["summary"],
    }
    assert "tasks: expected another name than 'summary'" in refused(content, monkeypatch)


def test_two_sources_have_two_files(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = {"file": "y.txt", "lines": ["a"]}
    assert "sources.b.file: expected another name than that of sources.a" in refused(
        {**PARAMS, "sources": {"a": source, "b": source}}, monkeypatch
    )


def laughs(levels: int = 9) -> str:
    """Nested lists, each of ten aliases of the one before: 10 ** `levels` values in a few lines."""
    aliases = (f"&a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, levels + 1))
    return f"[&a0 [lol], {', '.join(aliases)}]"


def merges(levels: int = 8) -> str:
    """Nested mappings, each of which merges ten aliases of the one before."""
    aliases = (f"&m{n} {{<<: [{', '.join([f'*m{n - 1}'] * 10)}]}}" for n in range(1, levels + 1))
    return f"[&m0 {{a: 1}}, {', '.join(aliases)}]"


BOMBS = {
    "as a value": ("seed", laughs()),
    "as a section": (
        "tasks",
        '{"x": {"kind": "forecasting", "scale_and_window": ' + laughs() + "}}",
    ),
    "as merged keys": ("sources", merges()),
    "a list in itself": ("seed", "&a [*a]"),
    "nested lists": ("seed", "[" * 100_000 + "]" * 100_000),
    "nested keys": ("seed", "{a: " * 50_000 + "1" + "}" * 50_000),
    "many values": ("seed", "[" + "1," * 400_000 + "]"),
    "half a surrogate pair": ("seed", r'"\ud800"'),
    "a number of 5000 digits": ("seed", "1" * 5000),
    "an invalid date": ("seed", "2020-13-45"),
    "the year 0": ("seed", "0000-01-01"),
    "an odd boolean": ("seed", "!!bool maybe"),
    "an odd time": ("seed", "!!timestamp now"),
    "an object": ("seed", "!!python/object/apply:os.system [id]"),
    "a list as a key": ("seed", "{? [1] : 2}"),
    "an alias of nothing": ("seed", "*nothing"),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_hostile_file_is_refused_in_seconds(
    bomb: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, value = BOMBS[bomb]
    rest = {name: entry for name, entry in PARAMS.items() if name != key}
    text = f"{key}: {value}\n" + "".join(
        f"{name}: {json.dumps(entry)}\n" for name, entry in rest.items()
    )
    assert refused(text, monkeypatch).startswith("error: params.yaml")


def test_aliases_that_people_write_are_read(folder: Path) -> None:
    top = json.dumps({**PARAMS, "tasks": {}}).replace('["x"]', '["x", "y"]')
    task = json.dumps(PARAMS["tasks"]["x"])
    tasks = f'{{"x": &x {task}, "y": {{<<: *x, "train": {{"units": 3}}}}}}'
    Path("params.yaml").write_text(top.replace('"tasks": {}', f'"tasks": {tasks}'))
    check.main([])
    assert parameters.task("y") == {**PARAMS["tasks"]["x"], "train": {"units": 3}}


def test_a_file_that_is_not_text_is_one_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("params.yaml").write_bytes(b"seed: \xff")
    assert "expected UTF-8 text, received other bytes at offset 6" in error_of(
        check.main, [], monkeypatch
    )
