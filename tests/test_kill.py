"""Nothing is lost: runs that are killed at random moments end with the bytes of one that was
not."""

import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from stages import train
from stages.networks.backend import keras
from tests.conftest import Run
from tests.tasks import die_at_checkpoint
from tests.test_pipeline import edit


@pytest.mark.slow
def test_runs_killed_at_random_moments_end_with_the_same_bytes(project: Path, run: Run) -> None:
    # Long enough that some kills meet it in training.
    edit(
        project,
        "dropout: 0.1, epochs: 1}",
        "dropout: 0.1, epochs: 400, steps_per_call: 1, patience: null}",
    )
    start = time.monotonic()
    run(project, "dvc", "repro", "-q", "train@verses")
    whole = time.monotonic() - start  # what a run takes here, most of it training
    run(project, "git", "commit", "-qam", "longer")
    done = run(
        project,
        *("python", "-m", "tools.kill", "train@verses", "--times", "5", "--seed", "2"),
        *("--longest", f"{whole:.0f}", "--checkpoint-seconds", "0.2"),
    )
    found = re.search(
        r"5 kills in \d+ runs, training resumed from a checkpoint (\d+) times: all ended with the "
        r"same bytes",
        done.stderr,
    )
    assert found, done.stderr
    assert int(found[1]) > 0


@pytest.mark.slow
def test_ctrl_c_says_how_to_go_on(project: Path, forked: Run, environment: dict[str, str]) -> None:
    edit(project, "epochs: 2", "patience: null, epochs: 100000, checkpoint_seconds: 0")
    saved = project / "data/checkpoints/small"
    shutil.rmtree(saved)  # of the run that this is a copy of
    with subprocess.Popen(
        ["python", "-m", "stages.train", "small"],
        cwd=project,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        # Where the tests run in the background, their children would ignore the signal.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as training:
        while not list(saved.glob("*/member_1/*.json")):
            assert training.poll() is None
            time.sleep(0.1)
        training.send_signal(signal.SIGINT)
        said = training.communicate(timeout=3600)[1]
    assert training.returncode == 1
    assert "stopped by the user: `dvc repro` goes on, training from its last checkpoint" in said
    assert "Traceback" not in said
    # A changed parameter starts afresh: the old checkpoints are removed.
    (old,) = saved.glob("*")
    edit(project, "epochs: 100000", "epochs: 2")
    assert "goes on" not in forked(project, "python", "-m", "stages.train", "small").stderr
    assert not old.exists()


@pytest.mark.slow
@pytest.mark.parametrize("dies", [3, 8])
def test_each_of_several_networks_goes_on_from_its_own(
    dies: int, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    edit(project, "epochs: 2", "epochs: 2, members: 2, steps_per_call: 4, checkpoint_seconds: 0")
    monkeypatch.chdir(project)
    keras.backend.clear_session()  # in a process of its own, layers are numbered from 1
    train.main(["small"])
    model = Path("data/models/small/model.keras")
    expected = model.read_bytes()
    shutil.rmtree("data/checkpoints")
    die_at_checkpoint(dies, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        train.main(["small"])
    members = {path.name for path in Path("data/checkpoints/small").glob("*/*")}
    assert members == ({"member_1"} if dies == 3 else {"member_1", "member_2"})
    model.unlink()
    keras.backend.clear_session()
    train.main(["small"])
    assert model.read_bytes() == expected
