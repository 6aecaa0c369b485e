"""What the README shows is real: its commands exist, its outputs are those of the committed run,
its links lead somewhere.

Pages are held to what is committed, not to what somebody's run, or edit of params.yaml, has just
made of it. Whoever commits results of their own has other numbers than these pages: so these tests
are marked `published`, and `.ci/run` asks for them, not `make test`.
"""

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from ruamel.yaml import YAML

from stages import baseline, check, ingest, scale_and_window, summarize, tokenize_text
from tests.conftest import ROOT, Run, committed

README = (ROOT / "README.md").read_text()
PAGES = [ROOT / "README.md", ROOT / "benchmarks/README.md"]


def block_after(marker: str, page: str = README) -> str:
    """Returns the code block that follows a comment."""
    match = re.search(rf"<!-- {re.escape(marker)} -->\n```\w*\n(.*?)```", page, re.DOTALL)
    assert match, marker
    return match[1]


def summary(folder: str = ".") -> dict[str, dict[str, Any]]:
    return json.loads(committed(f"{folder}/data/metrics/summary.json"))


@pytest.mark.published
def test_the_table_on_the_first_screen_is_the_committed_runs() -> None:
    page = committed("README.md")
    assert block_after("output: dvc repro", page).splitlines() == summarize.table(summary())
    assert page.index("output: dvc repro") < 1500


@pytest.mark.published
def test_the_diff_starts_from_the_committed_run() -> None:
    shown = block_after("output: dvc metrics diff", committed("README.md"))
    scores = summary()["carbon_dioxide"]
    rows = dict(re.findall(r"carbon_dioxide\.(\w+)\s+(-?[\d.]+)\s+-?[\d.]+\s+-?[\d.]+", shown))
    assert {"mae", "skill"} <= set(rows)
    for name, value in rows.items():
        assert float(value) == pytest.approx(scores[name], abs=5e-6)


@pytest.mark.published
def test_the_benchmark_scores_are_the_committed_runs() -> None:
    page = committed("README.md")
    for task, entry in summary("benchmarks").items():
        score = next(iter(entry))
        row = re.search(rf"\| `{task}` .*", page)
        assert row, task
        for value in (entry[score], entry[f"{entry['best_baseline']}_{score}"]):
            assert f"{value:.4g}" in row[0], f"{task}: {value:.4g} not in {row[0]}"


@pytest.mark.published
def test_the_speeds_of_the_recurrent_layers_are_the_committed_ones() -> None:
    page = committed("benchmarks/README.md")
    names = {"lstm": "LSTM", "gru": "GRU", "simple_rnn": "SimpleRNN"}
    for case in json.loads(committed("benchmarks/recurrent_speed.json"))["cases"]:
        train, predict, single = (
            case["milliseconds"][measure] for measure in ("train", "predict", "single")
        )
        shown = [
            *(f"{train[library]:.1f}" for library in ("keras", "reprise", "pytorch")),
            *(f"{train[library] / train['reprise']:.2f}" for library in ("keras", "pytorch")),
            f"{case['of_peak']['train']:.0%}",
            *(f"{predict[library] / predict['reprise']:.2f}" for library in ("keras", "pytorch")),
            f"{single['pytorch'] / single['reprise']:.2f}",
        ]
        assert f"| {names[case['cell']]}, {case['shape']} | {' | '.join(shown)} |" in page


def links(page: str) -> list[str]:
    return re.findall(r"\]\(([^)#]+)\)", page)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    for target in links(page.read_text()):
        assert target.startswith(("https://", "data/")) or (page.parent / target).exists(), target


@pytest.mark.published
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_results_that_are_shown_are_committed(page: Path) -> None:
    for target in links(committed(page.relative_to(ROOT).as_posix())):
        if target.startswith("data/"):
            assert (
                subprocess.run(
                    ["git", "cat-file", "-e", f"HEAD:./{target}"], cwd=page.parent
                ).returncode
                == 0
            ), target


@pytest.mark.parametrize("target", sorted(set(re.findall(r"make ([a-z-]+)", README))))
def test_every_make_target_exists(target: str) -> None:
    assert (
        subprocess.run(
            ["make", "-n", target], cwd=ROOT, capture_output=True, check=False
        ).returncode
        == 0
    )


def test_make_test_is_about_the_code_and_ci_about_the_projects_state_as_well() -> None:
    plan = subprocess.run(["make", "-n", "test"], cwd=ROOT, capture_output=True, text=True).stdout
    assert "pytest" in plan
    assert "tools.check" not in plan
    assert {"make check", "make test", "make test-pages"} <= set(
        (ROOT / ".ci/run").read_text().splitlines()
    )


@pytest.mark.slow
def test_the_tests_stay_green_after_a_run_and_a_task_of_ones_own(tmp_path: Path, run: Run) -> None:
    run(tmp_path, "git", "clone", "-q", str(ROOT), "clone")
    clone = tmp_path / "clone"
    shutil.copytree(ROOT / "tests", clone / "tests", dirs_exist_ok=True)
    (clone / "dvc.lock").write_text("schema: '2.0'\nstages: {}\n")
    (clone / "data/plots/carbon_dioxide/prediction.png").unlink()
    for folder in (clone, clone / "benchmarks"):
        scores = json.loads((folder / "data/metrics/summary.json").read_text())
        (folder / "data/metrics/summary.json").write_text(json.dumps({"mine": scores.popitem()[1]}))
        params = YAML(typ="safe").load(folder / "params.yaml")
        params = {
            **params,
            "seed": 8,
            "tasks": {"mine": params["tasks"].popitem()[1]},
            "scale_and_window": ["mine"],
            "tokenize_text": [],
        }
        (folder / "params.yaml").write_text(json.dumps(params))
    run(
        clone,
        "python",
        "-m",
        "pytest",
        "tests/test_readme.py",
        "tests/test_graph.py",
        "-m",
        "not slow",
    )


@pytest.mark.published
def test_every_parameter_that_is_changed_exists() -> None:
    params = YAML(typ="safe").load(committed("params.yaml"))
    changes = re.findall(r"-S '?([\w.]+)=", committed("README.md"))
    assert changes
    for path in changes:
        value = params
        for key in path.split("."):
            value = value[key]


def test_every_test_that_proves_a_promise_exists(run: Run) -> None:
    for command in re.findall(r"`pytest ([^`]+)`", README):
        arguments = shlex.split(command)
        paths = arguments[: arguments.index("-k")] if "-k" in arguments else arguments
        assert all((ROOT / path).exists() for path in paths), command
        if paths != arguments:
            collect = ("python", "-m", "pytest", "--collect-only")
            assert "::" in run(ROOT, *collect, *arguments).stdout, command


def test_every_tool_that_is_named_exists() -> None:
    for module in re.findall(
        r"python -m ((?:tools|stages|benchmarks)\.[a-z_]+)",
        README + (ROOT / "SHARING.md").read_text(),
    ):
        assert (ROOT / f"{module.replace('.', '/')}.py").exists(), module


def test_the_example_of_own_data_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task = block_after("own data")
    assert len(task.splitlines()) <= 10
    monkeypatch.chdir(tmp_path)
    Path("data/raw").mkdir(parents=True)
    days = np.arange(400)
    pd.DataFrame({"day": pd.date_range("2023-01-01", periods=400), "sold": 20 + days % 7}).to_csv(
        "data/raw/shop.csv", index=False
    )
    Path("params.yaml").write_text(
        "seed: 1\nsources: {}\nscale_and_window: [shop]\ntokenize_text: []\ntasks:\n" + task
    )
    check.main([])
    for stage in (ingest, scale_and_window, baseline):
        stage.main(["shop"])
    scores = json.loads(Path("data/baselines/shop/scores.json").read_text())
    assert scores["seasonal_naive"]["mae"] == pytest.approx(0, abs=1e-5)


def test_the_example_of_own_texts_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task = block_after("own texts")
    monkeypatch.chdir(tmp_path)
    Path("data/raw").mkdir(parents=True)
    Path("data/raw/letters.txt").write_text(
        "Dear reader , this is a letter .\nYours , the writer\n" * 60
    )
    Path("params.yaml").write_text(
        "seed: 1\nsources: {}\nscale_and_window: []\ntokenize_text: [letters]\ntasks:\n" + task
    )
    check.main([])
    for stage in (ingest, tokenize_text, baseline):
        stage.main(["letters"])
    scores = json.loads(Path("data/baselines/letters/scores.json").read_text())
    assert scores["trigram"]["perplexity"] < 1.5 < scores["unigram"]["perplexity"]
