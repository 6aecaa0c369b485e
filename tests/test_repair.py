"""A `dvc.lock` that was cut off anywhere is repaired, and `dvc repro` finds nothing lost."""

import json
import random
import re
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from stages.errors import InputError
from tests.conftest import ROOT, Run
from tools import repair
from tools.repair import joined, whole_stages


def stages(text: str) -> dict[str, object]:
    return YAML(typ="safe").load(text)["stages"] if text else {}


def test_only_whole_stages_are_kept(finished: Path) -> None:
    text = (finished / "dvc.lock").read_text()
    assert whole_stages(text) == text
    whole = stages(text)
    for cut in [
        0,
        1,
        14,
        20,
        22,
        23,
        25,
        100,
        len(text) - 1,
        *random.Random(0).sample(range(len(text)), 5),
    ]:
        kept = stages(whole_stages(text[:cut]))
        last = list(kept)[-1:]  # may be without its last lines, if the cut was at the end of one
        assert {
            name: entry for name, entry in kept.items() if name not in last
        }.items() <= whole.items(), cut
        assert text[:cut].count("\n    cmd:") - len(kept) in (0, 1)
        assert joined(text, whole_stages(text[:cut])).count("\n") >= text.count("\n") - 20
    assert joined(text, "") == joined("", text) == text


@pytest.mark.parametrize("part", [pytest.param(0, marks=pytest.mark.slow), 0.4])
def test_a_lock_that_was_cut_off_runs_nothing_again(part: float, project: Path, run: Run) -> None:
    lock = (project / "dvc.lock").read_text()
    (project / "dvc.lock").write_text(lock[: int(part * len(lock))])
    (project / ".dvc/tmp").mkdir(exist_ok=True)
    (project / ".dvc/tmp/rwlock").write_text('{"write": {')
    said = run(project, "python", "-m", "tools.repair").stderr
    assert "was cut off" in said
    assert "What was there is kept as .dvc/tmp/dvc.lock.1\n" in said
    assert (project / ".dvc/tmp/dvc.lock.1").read_text() == lock[: int(part * len(lock))]
    assert "dvc.lock.1" not in run(project, "git", "status", "--short").stdout
    assert "Data and pipelines are up to date." in run(project, "dvc", "repro").stdout
    assert (project / "dvc.lock").read_text() == lock
    assert run(project, "python", "-m", "tools.repair").stderr == ""


SMALL = """\
schema: '2.0'
stages:
  a:
    cmd: python -m a
    deps:
    - path: a.py
      hash: md5
      md5: 0123456789abcdef0123456789abcdef
      size: 12
    params:
      params.yaml:
        text: "a long text with an umlaut: ä, and\\
          \\ more"
        list: [1, 2]
    outs:
    - path: a.txt
      md5: 0123456789abcdef0123456789abcdef
  b:
    cmd: python -m b
    deps:
    - path: a.txt
      md5: 0123456789abcdef0123456789abcdef
      size: 12
"""
# Faults that no cut makes, each with the line that is named.
NOT_CUT_OFF = {
    "a colon is missing": (SMALL.replace("size: 12\n    params", "size 12\n    params"), "line 10"),
    "a colon is missing at the very end": (SMALL.removesuffix(": 12\n") + " 12\n", "line 24"),
    "a colon is missing in the last stage": (SMALL[:-4] + "\n    outs\n    - path: x\n", "line 25"),
    "a quotation mark is missing": (SMALL.replace("'2.0'", "'2.0"), "line"),
    "a line is indented wrongly": (
        SMALL.replace("    deps:\n    - path: a.py", "   deps:\n    - path: a.py"),
        "line 5",
    ),
    "a tab": (SMALL.replace("    cmd: python -m a", "\tcmd: python -m a"), "line 4"),
    "marks in line 1": ("<<<<<<< HEAD\n" + SMALL + "=======\n>>>>>>> theirs\n", "line 1"),
    "marks in a stage": (
        SMALL.replace("  b:\n", "<<<<<<< HEAD\n  b:\n=======\n  c:\n>>>>>>> theirs\n"),
        "line 18",
    ),
    "half-settled marks": (
        SMALL.replace(
            "      size: 12\n    params", "=======\n      size: 12\n>>>>>>> theirs\n    params"
        ),
        "line 9",
    ),
    "a mark at the end": (SMALL + ">>>>>>> theirs\n", "line 24"),
    "a mark at the end that is cut off": (SMALL + ">>>>>", ""),
    "an entry that is null": (
        SMALL.replace("    cmd: python -m a\n", ""),
        "stages.a.cmd: required key not provided",
    ),
    "an unknown key": (
        SMALL.replace("deps:\n    - path: a.txt", "dpes:\n    - path: a.txt"),
        "stages.b.dpes",
    ),
    "an unknown key at the top": (SMALL + "stagse: {}\n", "stagse"),
    "a list": ("- a\n- b\n", "expected a dictionary"),
    "another version": (SMALL.replace("2.0", "3.0"), "schema"),
    "a file of another kind": ("This is no lock file.\n", "expected a dictionary"),
    "one line": ("\n", "expected a dictionary"),
    "not UTF-8": (SMALL.encode().replace("ä".encode(), b"\xe4"), "line 12: expected UTF-8"),
    "twice the same": (SMALL + SMALL, "line"),
}


@pytest.mark.parametrize("fault", NOT_CUT_OFF)
def test_a_lock_that_somebody_wrote_wrongly_is_left_as_it_is(
    fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content, named = NOT_CUT_OFF[fault]
    before = content if isinstance(content, bytes) else content.encode()
    (tmp_path / "dvc.lock").write_bytes(before)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as caught:
        repair.main([])
    assert re.fullmatch(
        rf"dvc.lock.*{re.escape(named)}.*It was not cut off, so it is left as it is.*",
        str(caught.value),
    ), str(caught.value)
    assert (tmp_path / "dvc.lock").read_bytes() == before
    assert not (tmp_path / ".dvc").exists()


def test_every_beginning_is_taken_for_cut_off() -> None:
    lines = SMALL.encode().splitlines(keepends=True)
    a = b"".join(lines[:17]).decode()
    for cut in range(len(SMALL.encode()) + 1):
        kept = whole_stages(repair._text(SMALL.encode()[:cut]), {"a"})
        assert kept in ("", a) or (
            kept.startswith("schema: '2.0'\nstages:\n  a:\n    cmd: ") and cut < len(a.encode())
        ), cut
    assert whole_stages(SMALL) == a
    assert whole_stages(SMALL, {"b"}) == SMALL


def test_what_was_there_is_kept_each_time_also_where_nothing_is_committed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for number, cut in enumerate([0, 10, SMALL.index("  b:") + 20], 1):
        Path("dvc.lock").write_text(SMALL[:cut])
        repair.main([])
        assert Path(f".dvc/tmp/dvc.lock.{number}").read_text() == SMALL[:cut]
        assert Path("dvc.lock").exists() == (number == 3)
    assert list(stages(Path("dvc.lock").read_text())) == ["a"]


def test_a_stage_without_outputs_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("dvc.lock").write_text(SMALL)
    Path("dvc.yaml").write_text(
        "stages: {a: {cmd: python -m a, outs: [a.txt]}, b: {cmd: python -m b, deps: [a.txt]}}\n"
    )
    repair.main([])
    assert Path("dvc.lock").read_text() == SMALL


def test_entries_of_stages_that_do_not_exist_are_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    train = SMALL[SMALL.index("  a:") : SMALL.index("  b:")].replace("  a:", "  train@{}:")
    text = SMALL[: SMALL.index("  b:")] + train.format("x") + train.format("gone")
    Path("dvc.lock").write_text(text)
    Path("dvc.yaml").write_text(
        "stages:\n  a: {cmd: python -m a, outs: [a.txt]}\n"
        "  train: {foreach: '${tasks}', do: {cmd: 'x ${key}', outs: ['${key}']}}\n"
    )
    repair.main([])
    assert Path("dvc.lock").read_text() == text  # without parameters nothing is known
    Path("params.yaml").write_text("tasks: {x: {}}\n")
    repair.main([])
    assert list(stages(Path("dvc.lock").read_text())) == ["a", "train@x"]
    assert Path(".dvc/tmp/dvc.lock.1").read_text() == text


@pytest.mark.parametrize(
    "note",
    [
        "[]",
        "null",
        '{"write": 3}',
        '{"write": {"x": 1}}',
        '{"write": {"x": {"pid": "x"}}}',
        "{",
        "\0",
    ],
)
def test_a_note_that_cannot_be_read_is_of_no_running_dvc(
    note: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(".dvc/tmp").mkdir(parents=True)
    Path(".dvc/tmp/rwlock").write_text(note)
    repair.main([])
    assert not Path(".dvc/tmp/rwlock").exists()


def test_the_note_of_a_running_dvc_stays_and_that_of_a_dead_one_goes(
    tmp_path: Path, run: Run
) -> None:
    note = tmp_path / ".dvc/tmp/rwlock"
    note.parent.mkdir(parents=True)
    for command, stays in [
        (["-c", "import time; time.sleep(3600)", "dvc"], True),
        (["-c", "import time; time.sleep(3600)"], False),
    ]:
        with subprocess.Popen([sys.executable, *command]) as process:
            note.write_text(
                json.dumps({"write": {"x": {"pid": process.pid, "cmd": "dvc repro"}}, "read": {}})
            )
            run(tmp_path, sys.executable, "-m", "tools.repair", PYTHONPATH=str(ROOT))
            assert note.exists() == stays
            process.kill()
    note.write_text(
        json.dumps({"write": {}, "read": {"x": [{"pid": process.pid, "cmd": "dvc repro"}]}})
    )
    run(tmp_path, sys.executable, "-m", "tools.repair", PYTHONPATH=str(ROOT))
    assert not note.exists()
