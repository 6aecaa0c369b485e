"""What the pages show is real: their commands exist, their outputs are those of the committed run,
their examples work and their links lead to files.

Pages are compared with what is committed, not with what a run or an edit of params.yaml has since
changed. A commit of other results makes these numbers outdated, so the tests of numbers are marked
`published`, and `.ci/run` runs them, not `make test`.
"""

import importlib
import io
import json
import re
import shlex
import shutil
import subprocess
import zipfile
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
from ruamel.yaml import YAML

from stages import (
    baseline,
    check,
    extract_features,
    ingest,
    kinds,
    scale_and_window,
    summarize,
    tokenize_text,
)
from stages.kinds.speech_recognition.sample import spoken
from tests.conftest import ROOT, Run, committed
from tools import verified
from tools.check import faults

README = (ROOT / "README.md").read_text()
SHARING = (ROOT / "SHARING.md").read_text()
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()
PAGES = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob("*.md"))
PAGES += ["benchmarks/README.md", "recipe/README.md"]


def block_after(text: str, page: str = README) -> str:
    """Returns the first code block that begins directly after a text."""
    match = re.search(rf"{re.escape(text)}\n+```\w*\n(.*?)```", page, re.DOTALL)
    assert match, text
    return match[1]


def summary(folder: str = ".") -> dict[str, dict[str, Any]]:
    return json.loads(committed(f"{folder}/data/metrics/summary.json"))


@pytest.mark.published
def test_the_table_on_the_first_screen_is_the_committed_runs() -> None:
    page = committed("README.md")
    assert block_after("<!-- output: dvc repro -->", page).splitlines() == summarize.table(
        summary()
    )
    assert page.index("output: dvc repro") < 1500


@pytest.mark.published
def test_the_recipe_is_what_the_development_set_shows() -> None:
    page, tasks = committed("README.md"), summary("recipe")
    shown = block_after("<!-- output: make recipe -->", page).splitlines()
    name = shown[1].split()[0]
    assert shown == summarize.table({name: tasks[name]})
    yaml = YAML(typ="safe")
    entry = yaml.load(block_after("<!-- recipe -->", page))[name]
    assert entry == yaml.load(committed("recipe/params.yaml"))["tasks"][name]
    sets = json.loads(committed("recipe/sets.json"))
    counted = [name for name in tasks if "beside" not in sets[name]]
    skills = np.array([tasks[name]["skill"] for name in counted])
    sentence = (
        f"On {(skills > 0).sum()} of the {len(skills)} the network is better than the best "
        f"baseline in hindsight, the median skill is {np.median(skills):.3f}, and "
        f"{(skills < -0.02).sum()} lose more than 2 %"
    )
    assert sentence in " ".join(page.split())
    metrics = [json.loads(committed(f"recipe/data/metrics/{name}.json")) for name in counted]
    corrections = np.array([scores["model"]["correction"] for scores in metrics])
    assert (corrections == 0).mean() > 0.5, "On most of them validation leaves nothing ..."


@pytest.mark.published
def test_the_diff_starts_from_the_committed_run() -> None:
    shown = block_after("<!-- output: dvc metrics diff -->", committed("README.md"))
    scores = summary()["carbon_dioxide"]
    rows = dict(re.findall(r"carbon_dioxide\.(\w+)\s+(-?[\d.]+)\s+-?[\d.]+\s+-?[\d.]+", shown))
    assert {"mae", "skill"} <= set(rows)
    for name, value in rows.items():
        assert float(value) == pytest.approx(scores[name], abs=5e-6)


@pytest.mark.published
def test_the_answers_for_texts_are_those_of_the_committed_run() -> None:
    page = committed("README.md")
    effects = pd.read_csv(io.StringIO(committed("data/plots/reviews/prediction.csv")))
    first = effects[effects["text"] == effects["text"].iloc[0]]
    shown = block_after("<!-- output: reviews -->", page)
    for effect, token in zip(first["effect"], first["token"], strict=True):
        assert f"{effect:+.2f} {token}" in shown
    attention = pd.read_csv(io.StringIO(committed("data/plots/swedish/prediction.csv")))
    written = attention.drop_duplicates("output_place")["output"]
    shown = block_after("<!-- output: swedish -->", page)
    assert "".join(written).removesuffix("<eos>").strip() in shown
    found = pd.read_csv(io.StringIO(committed("data/plots/entities/prediction.csv")))
    marked = re.findall(
        r"\[(.*?) [A-Z]+ ([\d.]+)\]", block_after("<!-- output: entities -->", page)
    )
    assert len(marked) > 2
    for (entity, probability), row in zip(marked, found.to_dict("records"), strict=False):
        assert row["entity"].startswith(entity)
        assert float(probability) == pytest.approx(row["probability"], abs=6e-3)


@pytest.mark.published
def test_the_verified_processors_are_the_committed_ones(tmp_path: Path) -> None:
    for name in ("dvc.lock", str(verified.PATH)):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(committed(name))
    rows = verified.table(tmp_path)
    assert len(rows) > 2
    shown = "\n".join(["<!-- output: verified -->", *rows, ""])
    assert shown in committed("README.md")


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
    """Returns the relative links of a page; with the heading that they lead to, if any."""
    return [link for link in re.findall(r"\]\(([^)]+)\)", page) if "://" not in link]


def headings(page: str) -> set[str]:
    """Returns the anchors that GitHub gives the headings of a page."""
    titles = re.findall(r"^#+ (.+)$", page, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_to_files_and_headings(name: str) -> None:
    page = ROOT / name
    for link in links(page.read_text()):
        path, _, heading = link.partition("#")
        target = page.parent / path if path else page
        # Results are tested as they are committed.
        assert target.exists() or path.startswith("data/"), link
        assert not heading or heading in headings(target.read_text()), link


@pytest.mark.published
@pytest.mark.parametrize("name", PAGES)
def test_results_that_are_shown_are_committed(name: str) -> None:
    for link in links(committed(name)):
        if link.startswith("data/"):
            path = Path(name).parent / link
            done = subprocess.run(["git", "cat-file", "-e", f"HEAD:./{path}"], cwd=ROOT)
            assert done.returncode == 0, path


TARGETS = set(re.findall(r"(?:`|^)make ([a-z-]+)", README + CONTRIBUTING + SHARING, re.MULTILINE))


@pytest.mark.parametrize("target", sorted(TARGETS))
def test_every_make_target_exists(target: str) -> None:
    done = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True)
    assert done.returncode == 0


def test_the_readme_lists_all_targets_that_run_something() -> None:
    targets = set(re.findall(r"^([a-z-]+):.* ## ", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert targets - {"clean", "hooks", "setup"} <= TARGETS


def test_make_test_is_about_the_code_and_ci_about_the_projects_state_as_well() -> None:
    commands = subprocess.run(
        ["make", "-n", "test"], cwd=ROOT, capture_output=True, text=True
    ).stdout
    assert "pytest" in commands
    assert "tools.check" not in commands
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
            "extract_features": [],
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


@pytest.mark.slow
def test_every_test_that_proves_a_promise_exists(run: Run) -> None:
    for command in re.findall(r"`pytest ([^`]+)`", README):
        paths, _, expression = command.partition(" -k ")
        assert all((ROOT / path).exists() for path in paths.split()), command
        if expression:
            selection = [*paths.split(), "-k", *shlex.split(expression)]
            assert "::" in run(ROOT, "pytest", "--collect-only", *selection).stdout, command


def test_every_module_that_is_run_exists() -> None:
    pattern = r"python -m ((?:tools|stages|benchmarks|recipe)\.[a-z_]+)"
    for module in re.findall(pattern, README + SHARING + CONTRIBUTING):
        assert (ROOT / f"{module.replace('.', '/')}.py").exists(), module


def test_the_tree_names_all_stages_and_nothing_that_does_not_exist() -> None:
    tree = block_after("## The tree")
    names = set(re.findall(r"\w+\.py", tree))
    stages, tools = (
        {path.name for path in ROOT.glob(f"{name}/*.py")} for name in ("stages", "tools")
    )
    assert stages - {"__init__.py"} <= names <= stages | tools
    folders = re.findall(r"^  (\w+)/", tree, re.MULTILINE)
    assert sorted(folders) == sorted(path.parent.name for path in ROOT.glob("stages/*/__init__.py"))


def test_code_in_contributing_is_that_of_the_files_it_names() -> None:
    pattern = r"^( *)<!-- (\S+\.py) -->\n *```python\n(.*?)\n *```"
    blocks = re.findall(pattern, CONTRIBUTING, re.DOTALL | re.MULTILINE)
    assert len(blocks) == CONTRIBUTING.count("```python")
    for indent, path, block in blocks:
        code = "".join(f"{line.removeprefix(indent)}\n" for line in block.splitlines())
        assert f"\n{code}" in (ROOT / path).read_text(), f"{path}: {code}"


def test_the_tree_of_a_kind_in_contributing_is_that_of_the_example() -> None:
    tree = block_after("runs that task up to its prediction.", CONTRIBUTING)
    names = set(re.findall(r"(?:^ +|, )(\w+\.(?:py|json))", tree, re.MULTILINE))
    assert names == {path.name for path in (ROOT / "tests/kinds/parity").glob("*.*")}


def test_the_task_of_the_new_kind_in_contributing_is_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    entries = YAML(typ="safe").load(block_after("<!-- new kind -->", CONTRIBUTING))
    assert entries["tokenize_text"] == list(entries["tasks"])
    monkeypatch.setattr(kinds, "__path__", [*kinds.__path__, str(ROOT / "tests/kinds")])
    for stage, section in entries["tasks"]["parity"].items():
        if stage != "kind":
            module = importlib.import_module(f"stages.kinds.parity.{stage}")
            module.Parameters.model_validate(section)


@pytest.mark.slow
def test_results_are_recorded_for_renamed_variables_without_running_a_task(
    project: Path, run: Run
) -> None:
    for path in (project / "stages").rglob("*.py"):
        path.write_text(path.read_text() + "\nRENAMED = 1\n")
    before = json.loads((project / "data/metrics/summary.json").read_text())
    recipe = block_after("this runs no task:", CONTRIBUTING)
    output = run(project, "bash", "-euc", recipe).stdout
    assert set(re.findall(r"Running stage '([^']+)'", output)) <= {"code", "check"}
    assert "up to date" in run(project, "dvc", "status").stdout
    run(project, "git", "add", "--all")
    assert not list(faults(project))
    assert json.loads((project / "data/metrics/summary.json").read_text()) == before


def test_the_example_of_own_data_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(block_after("<!-- own data -->").splitlines()) <= 10
    monkeypatch.chdir(tmp_path)
    Path("data/raw").mkdir(parents=True)
    days = np.arange(400)
    pd.DataFrame({"day": pd.date_range("2023-01-01", periods=400), "sold": 20 + days % 7}).to_csv(
        "data/raw/shop.csv", index=False
    )
    scores = scores_of_example("<!-- own data -->", "shop", scale_and_window)
    assert scores["seasonal_naive"]["mae"] == pytest.approx(0, abs=1e-5)


def test_the_example_of_own_anomalies_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("data/raw").mkdir(parents=True)
    hours = np.arange(900)
    table = pd.DataFrame({"time": pd.date_range("2024-02-01", periods=900, freq="h")})
    table["pressure"], table["flow"] = np.sin(hours / 4), np.cos(hours / 4)
    table["fault"] = ((hours >= 800) & (hours < 830)).astype(int)
    table.loc[table["fault"] == 1, "flow"] += 3
    table.to_csv("data/raw/pump.csv", index=False)
    scores = scores_of_example("<!-- own anomalies -->", "pump", scale_and_window)
    assert scores["ridge"]["event_f1"] == 1
    # DVC takes no dates in params.yaml, but as text.
    json.dumps(YAML(typ="safe").load(block_after("<!-- own anomalies -->")))
    assert scores["ridge"]["vus_pr"] > 0.6 > 0.3 > scores["random"]["vus_pr"]


def scores_of_example(
    marker: str, task: str, preparing: ModuleType = tokenize_text
) -> dict[str, Any]:
    """Runs a task that the page shows, up to its baselines, and returns their scores."""
    own = preparing.__name__.removeprefix("stages.")
    lists = "".join(f"{name}: [{task if name == own else ''}]\n" for name in kinds.PREPARING)
    Path("params.yaml").write_text(
        f"seed: 1\narithmetic: portable\nsources: {{}}\n{lists}tasks:\n" + block_after(marker)
    )
    check.main([])
    for stage in (ingest, preparing, baseline):
        stage.main([task])
    return json.loads(Path(f"data/baselines/{task}/scores.json").read_text())


def test_the_example_of_own_texts_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("data/raw").mkdir(parents=True)
    Path("data/raw/letters.txt").write_text(
        "Dear reader , this is a letter .\nYours , the writer\n" * 60
    )
    scores = scores_of_example("<!-- own texts -->", "letters")
    assert scores["trigram"]["perplexity"] < 1.5 < scores["unigram"]["perplexity"]


@pytest.fixture
def with_vectors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with the vectors that ship, which is the current one."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(ROOT / "data/raw/vectors", "data/raw/vectors")


WORDS = {"good": "positive", "bad": "negative"}


@pytest.mark.usefixtures("with_vectors")
def test_the_example_of_own_labels_works() -> None:
    rows = [f"a {word} film number {n},{label}" for n in range(40) for word, label in WORDS.items()]
    Path("data/raw/opinions.csv").write_text("\n".join(["text,label", *rows, ""]))
    scores = scores_of_example("<!-- own labels -->", "opinions")
    assert scores["tfidf"]["accuracy"] == 1 > scores["majority"]["accuracy"]


@pytest.mark.usefixtures("with_vectors")
def test_the_example_of_own_tags_works() -> None:
    Path("data/raw/names").mkdir()
    for name in ("train", "dev", "test"):
        Path(f"data/raw/names/{name}.conll").write_text("Ada B-PER\nwrote O\n. O\n\n" * 20)
    scores = scores_of_example("<!-- own tags -->", "names")
    assert scores["most_frequent_tag"]["f1"] == scores["feature_crf"]["f1"] == 1


def test_the_example_of_own_pairs_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Targets are sources whose words have capital letters."""
    monkeypatch.chdir(tmp_path)
    Path("data/raw/german").mkdir(parents=True)
    rng = np.random.default_rng(0)
    words = ["".join(letters) for letters in rng.choice(list("abcdefghij"), (900, 8))]
    for name, lines in (("train", 3000), ("dev", 20), ("test", 20)):
        text = "\n".join(map(" ".join, rng.choice(words, (lines, 4)))) + "\n"
        Path(f"data/raw/german/{name}.de").write_text(text)
        Path(f"data/raw/german/{name}.en").write_text(text.upper())
    scores = scores_of_example("<!-- own pairs -->", "german")
    assert scores["ibm1"]["bleu"] > 99 > 1 > scores["copy"]["bleu"]


def test_the_example_of_own_speech_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("data/raw").mkdir(parents=True)
    rng, rows = np.random.default_rng(0), ["file,text,speaker"]
    with zipfile.ZipFile("data/raw/commands.zip", "w") as archive:
        for number in range(40):
            words = [["hi"], ["lo"], ["hi", "lo"], ["lo", "hi"]][number % 4]
            rows.append(f"clips/{number}.wav,{' '.join(words).title()}!,s{number // 4}")
            archive.writestr(f"clips/{number}.wav", spoken(words, 1 + number / 400, rng))
        archive.writestr("clips.csv", "\n".join(rows))
    scores = scores_of_example("<!-- own speech -->", "commands", extract_features)
    assert scores["nearest_word"]["wer"] < 0.5 <= scores["likeliest_transcript"]["wer"]
