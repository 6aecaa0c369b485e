"""The bytes of processors that are not here, by an emulator: Intel's first with AVX2, AMD's first
Zen."""

import re
import shutil
from pathlib import Path

import pytest

from stages.errors import InputError
from tests.conftest import Run
from tests.test_pipeline import edit
from tools import emulation, verified

emulated = pytest.mark.skipif(
    shutil.which(emulation.EMULATOR) is None, reason="needs Debian's qemu-user"
)


def test_without_the_emulator_it_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="apt install qemu-user"):
        emulation.install(tmp_path, "haswell")


@pytest.mark.slow
@emulated
@pytest.mark.parametrize("model", emulation.MODELS)
def test_the_emulator_runs_python_and_its_packages(model: str, tmp_path: Path, run: Run) -> None:
    variables = emulation.install(tmp_path, model)
    features = "from numpy._core._multiarray_umath import __cpu_features__ as f"
    printed = "print(*(name for name in f if f[name]))"
    done = run(tmp_path, "python", "-c", f"{features}; {printed}", **variables)
    assert {"AVX2", "FMA3"} <= {*done.stdout.split()}
    assert "AVX512F" not in done.stdout
    assert done.stderr == ""
    assert emulation.title(model).startswith(emulation.MODELS[model].title)


# Two series, and sums of more than 400 and of more than 1,000 numbers: units, gates, a batch of
# sequences.
WIDE = """\
  wide:
    kind: forecasting
    ingest: {{file: data/raw/pair.csv, series: name, time: time, targets: [y],
      split: {{train: 0.6, validation: 0.2, test: 0.2}}}}
    scale_and_window: {{lookback: 70, horizon: 2}}
    baseline: {{methods: [last_value, ridge]}}
    train: {{cell: {cell}, units: 270, dropout: 0.2, average: 0.9, normalise: instance,
      batch_size: 32, epochs: 1}}
    evaluate: {{}}
    predict: {{}}
"""


@pytest.mark.slow
@emulated
@pytest.mark.parametrize(("cell", "model"), [("lstm", "haswell"), ("gru", "epyc")])
def test_a_wide_network_has_the_same_bytes_there(
    cell: str, model: str, project: Path, run: Run
) -> None:
    steps = {"a": 5, "b": 11}
    rows = [f"{name},{t},{t * step % 37}" for name, step in steps.items() for t in range(150)]
    (project / "data/raw/pair.csv").write_text("\n".join(["name,time,y", *rows]) + "\n")
    run(project, "dvc", "add", "-q", "data/raw/pair.csv")
    edit(project, "scale_and_window: [small, own]", "scale_and_window: [small, own, wide]")
    with (project / "params.yaml").open("a") as file:
        file.write(WIDE.format(cell=cell))
    run(project, "dvc", "repro", "-q", "train@wide")
    expected = run(project, "md5sum", "data/models/wide/model.keras").stdout
    variables = emulation.install(project, model)
    run(project, "python", "-m", "stages.train", "wide", **variables)
    assert run(project, "md5sum", "data/models/wide/model.keras").stdout == expected


@pytest.mark.slow
@emulated
def test_a_committed_task_is_verified_on_an_emulated_processor(project: Path, run: Run) -> None:
    done = run(project, "python", "-m", "tools.verify", "--task", "own", "--emulate", "haswell")
    assert re.search(r"^  1  data/models/own +same$", done.stdout, re.MULTILINE)
    [processor] = verified.read(project)["own"]
    assert re.fullmatch(r"Intel Haswell, emulated by QEMU [\d.]+", processor)
    assert f"this processor: {processor}" in done.stdout
