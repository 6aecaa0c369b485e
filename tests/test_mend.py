"""A `dvc.lock` that was cut off anywhere is mended, and `dvc repro` finds nothing lost."""

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.conftest import ROOT, Run
from tools.mend import joined, whole_stages


def stages(text: str) -> dict[str, object]:
    return YAML(typ="safe").load(text)["stages"] if text else {}


def test_only_whole_stages_are_kept(finished: Path) -> None:
    text = (finished / "dvc.lock").read_text()
    assert whole_stages(text) == text
    whole = stages(text)
    for cut in [0, 1, 14, 25, 100, len(text) - 1, *random.Random(0).sample(range(len(text)), 15)]:
        kept = stages(whole_stages(text[:cut]))
        last = list(kept)[-1:]  # may be without its last lines, if the cut was at the end of one
        assert {name: entry for name, entry in kept.items() if name not in last}.items() <= whole.items(), cut
        assert text[:cut].count("\n    cmd:") - len(kept) in (0, 1)
        assert joined(text, whole_stages(text[:cut])).count("\n") >= text.count("\n") - 20
    assert joined(text, "") == joined("", text) == text


@pytest.mark.parametrize("part", [0, 0.4])
def test_a_lock_that_was_cut_off_runs_nothing_again(part: float, project: Path, run: Run) -> None:
    lock = (project / "dvc.lock").read_text()
    (project / "dvc.lock").write_text(lock[: int(part * len(lock))])
    (project / ".dvc/tmp").mkdir(exist_ok=True)
    (project / ".dvc/tmp/rwlock").write_text('{"write": {')
    assert "was cut off" in run(project, "python", "-m", "tools.mend").stderr
    assert "Data and pipelines are up to date." in run(project, "dvc", "repro").stdout
    assert (project / "dvc.lock").read_text() == lock
    assert run(project, "python", "-m", "tools.mend").stderr == ""


def test_the_note_of_a_running_dvc_stays_and_that_of_a_dead_one_goes(tmp_path: Path, run: Run) -> None:
    note = tmp_path / ".dvc/tmp/rwlock"
    note.parent.mkdir(parents=True)
    for command, stays in [(["-c", "import time; time.sleep(60)", "dvc"], True), (["-c", "import time; time.sleep(60)"], False)]:
        with subprocess.Popen([sys.executable, *command]) as process:
            note.write_text(json.dumps({"write": {"x": {"pid": process.pid, "cmd": "dvc repro"}}, "read": {}}))
            run(tmp_path, sys.executable, "-m", "tools.mend", PYTHONPATH=str(ROOT))
            assert note.exists() == stays
            process.kill()
    note.write_text(json.dumps({"write": {}, "read": {"x": [{"pid": process.pid, "cmd": "dvc repro"}]}}))
    run(tmp_path, sys.executable, "-m", "tools.mend", PYTHONPATH=str(ROOT))
    assert not note.exists()
