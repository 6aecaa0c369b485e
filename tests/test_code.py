"""Stages depend on exactly the code that they run: an edit re-runs what it can change, and what no
reading of code sees ends a stage with an error."""

import ast
import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from stages import code, kinds, syntax, watch
from stages.errors import InputError
from tests.conftest import ROOT, SMALL, Run
from tests.test_check import append, replace

TASKS = {"small": "forecasting", "own": "forecasting", "verses": "language_modelling"}


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the code, without data."""
    shutil.copytree(
        ROOT / "stages", tmp_path / "stages", ignore=shutil.ignore_patterns("__pycache__")
    )
    shutil.copy(ROOT / "requirements.lock", tmp_path)
    return tmp_path


def changed(root: Path, change: Callable[[Path], None]) -> set[str]:
    """Returns the names of the files in `data/code` that a change of the project changes."""
    before = code.contents(root, TASKS)
    change(root)
    after = code.contents(root, TASKS)
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


def comment_everything(root: Path) -> None:
    for path in root.rglob("*.py"):
        text = path.read_text()
        path.write_text(f'"""Another docstring."""\n\n# A comment.\n{text}\n\n\n# The end.\n')


def use_line_ends_of_windows(root: Path) -> None:
    for path in root.rglob("*.py"):
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))


def add_a_kind(root: Path) -> None:
    folder = root / "stages/kinds/parity"
    folder.mkdir()
    for name in ("__init__", "ingest", "baseline", "train", "evaluate", "predict", "count"):
        (folder / f"{name}.py").write_text(f"NAME = {name!r}\n")


@pytest.mark.parametrize("change", [comment_everything, use_line_ends_of_windows])
def test_comments_docstrings_and_line_ends_change_no_hash(
    change: Callable[[Path], None], copy: Path
) -> None:
    assert changed(copy, change) == set()


def test_another_kind_changes_nothing_for_the_kinds_that_there_are(copy: Path) -> None:
    files = changed(copy, add_a_kind)
    assert {name for name in files if "parity" not in name} <= {"check.txt", "summarize.txt"}
    assert "train/parity.txt" in files


CHANGED = "\nCHANGED = 1\n"
EDITS = {
    "text/ngrams.py": {
        *("check.txt", "baseline/language_modelling.txt", "tokenize_text/verses.txt"),
        *(f"{stage}/speech_recognition.txt" for stage in ("baseline", "evaluate", "predict")),
    },
    # Evaluation and prediction may retrain.
    "kinds/forecasting/train.py": {
        *("check.txt", "train/forecasting.txt"),
        *("evaluate/forecasting.txt", "predict/forecasting.txt"),
    },
    "kinds/language_modelling/predict.py": {"check.txt", "predict/language_modelling.txt"},
    "train.py": {f"train/{kind}.txt" for kind in kinds.names()},
    "summarize.py": {"summarize.txt"},
    "code.py": set(),
    "watch.py": set(),
}


@pytest.mark.parametrize("path", EDITS)
def test_an_edit_changes_the_files_of_the_stages_and_kinds_that_import_it(
    path: str, copy: Path
) -> None:
    assert changed(copy, append(f"stages/{path}", CHANGED)) <= EDITS[path]
    if EDITS[path]:
        assert changed(copy, append(f"stages/{path}", "\nAGAIN = 1\n"))


PACKAGES = {
    "tensorflow": {"train", "evaluate", "predict"},
    "matplotlib": {"evaluate", "predict"},
    "pytest": set(),
    "ruff": set(),
}


@pytest.mark.parametrize("package", PACKAGES)
def test_a_new_version_counts_for_the_stages_that_import_the_package(
    package: str, copy: Path
) -> None:
    def change(root: Path) -> None:
        code.pinned.cache_clear()
        text = (root / "requirements.lock").read_text()
        assert f"\n{package}==" in text
        (root / "requirements.lock").write_text(text.replace(f"\n{package}==", f"\n{package}==9."))

    stages = {name.partition("/")[0] for name in changed(copy, change)}
    assert stages >= PACKAGES[package]
    assert not stages & {"fetch.txt", "ingest", "summarize.txt"}
    assert bool(stages) == bool(PACKAGES[package])


def test_all_packages_that_the_stages_import_are_pinned() -> None:
    names = {name for path in (ROOT / "stages").rglob("*.py") for name in code.outside(path)}
    assert (
        {"tensorflow", "scikit-learn", "ruamel-yaml"}
        <= names
        <= code.pinned(ROOT / code.PINS).keys()
    )


def test_names_that_are_no_file_names_write_nothing_elsewhere() -> None:
    params = {"tasks": {"../../x": {"kind": "forecasting"}, "a/b": {}, 3: {}, "own": {"kind": "k"}}}
    assert code.kinds_of_tasks(params) == {"own": "k"}
    assert code.kinds_of_tasks({"tasks": [1]}) == {}


DIFFERENT = {
    "a default": ("def f(x=1): pass", "def f(x=2): pass"),
    "an empty text": ("x = {'a': ''}", "x = {'a': 'b'}"),
    "an empty text in a dictionary": ("x = {'a': '', 'b': 1}", "x = {'a': 1, 'b': ''}"),
    "the type of a number": ("x = 1", "x = 1.0"),
    "a number and a truth": ("x = 1", "x = True"),
    "bytes": ("x = b'a'", "x = 'a'"),
    "None and nothing": ("def f(): return", "def f(): return None"),
    "a singleton": ("match x:\n case None: pass", "match x:\n case False: pass"),
    "an f-string": ("f'{x:3}'", "f'{x:4}'"),
    "a conversion": ("y = f'{x!r}'", "y = f'{x!s}'"),
    "the order": ("a()\nb()", "b()\na()"),
    "the nesting": ("if a:\n b()\n c()", "if a:\n b()\nc()"),
    "an operator": ("x = a - b", "x = a + b"),
    "an annotation": ("x: int = 1", "x: float = 1"),
    "a decorator": ("@a\ndef f(): x()", "def f(): x()"),
}
SAME = {
    "layout": ("x = [1,2]", "x = [\n    1,\n    2,\n]\n"),
    "a comment": ("x = 1", "# note\nx = 1  # one"),
    "a docstring": ('def f():\n  "text"\n  return 1', "def f():\n  return 1"),
    "quotes": ("x = 'a'", 'x = "a"'),
    "a prefix": ("x = u'a'", "x = 'a'"),
    "an empty format": ("y = f'{x:}'", "y = f'{x}'"),
    "line ends": ("x = '''a\nb'''", "x = '''a\r\nb'''"),
}


def hash_of(text: str) -> str:
    return syntax.hash_of_tree(ast.parse(text.encode()))


@pytest.mark.parametrize("case", DIFFERENT)
def test_syntax_that_differs_has_another_hash(case: str) -> None:
    first, second = DIFFERENT[case]
    assert hash_of(first) != hash_of(second)


@pytest.mark.parametrize("case", SAME)
def test_what_is_no_syntax_changes_no_hash(case: str) -> None:
    first, second = SAME[case]
    assert hash_of(first) == hash_of(second)


def test_an_empty_text_that_only_some_versions_parse_does_not_count() -> None:
    tree = ast.parse("y = f'{x:{w}}'")
    spec = next(node for node in ast.walk(tree) if isinstance(node, ast.FormattedValue)).format_spec
    assert isinstance(spec, ast.JoinedStr)
    spec.values = [value for value in spec.values if isinstance(value, ast.FormattedValue)]
    before = syntax.hash_of_tree(tree)
    spec.values.append(ast.Constant(""))
    syntax.hash_of_tree.cache_clear()
    assert syntax.hash_of_tree(tree) == before


def interpreters() -> list[str]:
    """Returns other versions of Python on this machine that the project runs under."""
    folders = [Path.home() / ".pyenv/versions", Path.home() / ".local/share/uv/python"]
    found = [str(path) for folder in folders for path in folder.glob("*3.1[123]*/bin/python3")]
    names = [shutil.which(f"python3.{minor}") for minor in (11, 12, 13)]
    return sorted({*found, *filter(None, names)})


@pytest.mark.slow
def test_all_versions_of_python_give_the_same_hashes() -> None:
    text = textwrap.dedent("""
        import sys; from pathlib import Path; from stages import syntax
        for path in sorted(Path("stages").rglob("*.py")): print(syntax.hash_of(path), path)
        """)
    outputs = {}
    for python in {sys.executable, *interpreters()}:
        done = subprocess.run([python, "-c", text], cwd=ROOT, capture_output=True, text=True)
        if done.returncode == 0:  # a version that is named but not installed ends otherwise
            outputs[python] = done.stdout
        else:
            assert "pyenv" in done.stderr, done.stderr
    if len(outputs) < 2:
        pytest.skip("no other version of Python 3.11 to 3.13 on this machine")
    assert len(set(outputs.values())) == 1


# What stands in a stage's file, and what the stage ends with. Each is read in another way than by
# an import statement or a function of the project that the graph is compared with.
PLANTED = {
    "import by a computed name": (
        "import importlib; importlib.import_module('stages.series.' + 'generators')",
        "stages/series/generators.py is imported, and the file in data/code",
    ),
    "import under another name": (
        "from importlib import import_module as load; load('stages.series.generators')",
        "stages/series/generators.py is imported, and the file in data/code",
    ),
    "code that is run as text": (
        "exec('from stages.series import generators')",
        "stages/series/generators.py is imported, and the file in data/code",
    ),
    "code of another folder": (
        "import sys; sys.path.insert(0, 'tools'); __import__('hel' + 'per')",
        "tools/helper.py is imported, and the file in data/code",
    ),
    "parameters opened directly": (
        "open('params.yaml').read()",
        "params.yaml is opened directly: read it with stages.files.parameters",
    ),
    "output of another stage": (
        "Path('data/evaluations/own/scores.json').read_text()",
        "data/evaluations/own/scores.json is read and not declared: add it to the deps",
    ),
    "output of another stage, as an absolute path": (
        "(Path.cwd() / 'data/evaluations/own/scores.json').read_bytes()",
        "data/evaluations/own/scores.json is read and not declared: add it to the deps",
    ),
    "output of another stage, as a table": (
        "from stages.files import tables\n"
        "    tables.read(Path('data/ingested/small/table.parquet'))",
        "data/ingested/small/table.parquet is read and not declared: add it to the deps",
    ),
    "output of another task": (
        "__import__('numpy').load('data/examples/small/values.npy', mmap_mode='r')",
        "data/examples/small/values.npy is read and not declared: add it to the deps",
    ),
    "folder of another stage": (
        "list(Path('data/evaluations').iterdir())",
        "data/evaluations is read and not declared: add it to the deps",
    ),
    "file beside the code": (
        "Path('stages/notes.txt').read_text()",
        "stages/notes.txt is read and not declared: add it to the deps",
    ),
    "parameter of another section": (
        "parameters.section(task, 'pre' + 'dict', Section)",
        "the parameter tasks.own.predict is read and not declared: add it to the params",
    ),
    "parameter of another task": (
        "parameters.task('small')",
        "the parameter tasks.small is read and not declared: add it to the params",
    ),
    "parameter of the whole file": (
        "parameters.read_all()['seed'] + 1",
        "the parameter seed is read and not declared: add it to the params",
    ),
    "error that is suppressed": (
        "import contextlib\n    with contextlib.suppress(Exception): open('params.yaml')",
        "params.yaml is opened directly: read it with stages.files.parameters",
    ),
}


@pytest.fixture(scope="module")
def ingesting(tmp_path_factory: pytest.TempPathFactory, finished: Path) -> Path:
    """A finished project with files that a stage must not read."""
    project = shutil.copytree(finished, tmp_path_factory.mktemp("ingesting") / "p", symlinks=True)
    (project / "tools/helper.py").write_text("")
    (project / "stages/notes.txt").write_text("")
    return project


PLACES = ("the stage", "a module that it imports")
# Each fault is planted in a stage; of those in a module, one of each sort: code, file, parameter.
ELSEWHERE = {"code that is run as text", "output of another task", "parameter of another section"}


@pytest.mark.parametrize(
    ("fault", "place"),
    [
        pytest.param(
            fault,
            place,
            marks=[pytest.mark.slow] * (place != "the stage" and fault not in ELSEWHERE),
        )
        for fault in PLANTED
        for place in PLACES
    ],
)
def test_a_stage_ends_when_it_reads_what_is_not_declared(
    fault: str, place: str, ingesting: Path, tmp_path: Path, forked: Run
) -> None:
    project = tmp_path / "project"
    shutil.copytree(ingesting, project, symlinks=True, ignore=shutil.ignore_patterns("cache"))
    line, message = PLANTED[fault]
    planted = (
        "\n\ndef planted(task):\n    from pathlib import Path\n"
        "    from stages.files import parameters\n    from stages.sections import Section\n"
        f"    {line}\n"
    )
    call = "    task = command.parser(__doc__).parse_args(arguments).task\n"
    if place == "the stage":
        replace("stages/ingest.py", "\n\ndef main(", f"{planted}\n\ndef main(")(project)
        replace("stages/ingest.py", call, f"{call}    planted(task)\n")(project)
    else:
        append("stages/files/tables.py", planted)(project)
        replace("stages/ingest.py", call, f"{call}    tables.planted(task)\n")(project)
    forked(project, "python", "-m", "stages.code")
    done = forked(project, "python", "-m", "stages.ingest", "own", ok=False, DVC_STAGE="ingest@own")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(f"error: ingest@own: {message}"), done.stderr
    # By hand nothing is recorded, and nothing is watched.
    done = forked(project, "python", "-m", "stages.ingest", "own", ok=False)
    assert "declared" not in done.stderr


def test_a_stage_with_other_code_than_its_file_names_does_not_start(
    project: Path, forked: Run
) -> None:
    append("stages/series/grid.py", "\n# A comment changes nothing.\n")(project)
    forked(project, "dvc", "repro", "-q", "--force", "--single-item", "ingest@own")
    append("stages/series/grid.py", CHANGED)(project)
    done = forked(project, "dvc", "repro", "--force", "--single-item", "ingest@own", ok=False)
    assert (
        "error: ingest@own would run other code than data/code/ingest/forecasting.txt names, as "
        "stages/series/grid.py changed: run `dvc repro`, which begins with the stage code\n"
    ) in done.stderr
    forked(project, "dvc", "repro", "-q", "ingest@own")


@pytest.mark.slow
def test_a_stage_with_another_version_of_a_package_does_not_start(
    project: Path, forked: Run
) -> None:
    replace("requirements.lock", "\npandas==", "\npandas==9.")(project)
    done = forked(project, "dvc", "repro", "ingest@own", ok=False)
    assert "error: pandas: expected version 9." in done.stderr
    assert "which requirements.lock pins, received" in done.stderr
    assert "run `make setup`" in done.stderr


def test_what_dvc_yaml_declares_is_filled_in() -> None:
    from ruamel.yaml import YAML

    yaml = YAML(typ="safe")
    graph, params = yaml.load(ROOT / "dvc.yaml"), yaml.load(SMALL)
    train = watch.declarations("train@own", graph, params)
    assert train.reads == (
        *("data/checked.txt", "data/code/train/forecasting.txt", "data/examples/own"),
    )
    assert train.writes == ("data/models/own", "data/plots/own/learning_curve.csv")
    assert train.parameters == (
        *(("seed",), ("arithmetic",)),
        *(("tasks", "own", "kind"), ("tasks", "own", "train")),
    )
    assert "data/raw/own.csv" in watch.declarations("ingest@own", graph, params).reads
    windows = watch.declarations("scale_and_window@own", graph, params)
    assert "data/code/scale_and_window/own.txt" in windows.reads
    assert train.allows("data/examples/own/values.npy")
    assert train.allows("data/plots/own/.learning_curve.7.part.csv")
    assert not train.allows("data/examples/own2/values.npy")
    assert not train.allows("data/plots/own/curve.csv")


def test_a_comment_reruns_code_alone(project: Path, forked: Run) -> None:
    comment_everything(project / "stages")
    output = forked(project, "dvc", "repro").stdout
    ran = {line.split("'")[1] for line in output.splitlines() if line.startswith("Running stage")}
    assert ran == {"code"}


def test_an_edit_of_a_score_retrains_nothing(project: Path, forked: Run) -> None:
    for path in ("series/metrics.py", "series/intervals.py", "files/pictures.py", "evaluate.py"):
        append(f"stages/{path}", CHANGED)(project)
    forked(project, "dvc", "repro", "-q", "code")
    output = forked(project, "dvc", "repro", "--dry").stdout
    ran = {line.split("'")[1] for line in output.splitlines() if line.startswith("Running stage")}
    assert "evaluate@own" in ran
    assert not {stage for stage in ran if stage.startswith(("train", "ingest", "fetch", "scale"))}


def test_a_file_that_is_no_python_is_one_line(copy: Path) -> None:
    append("stages/series/grid.py", "\ndef f(:\n")(copy)
    with pytest.raises(
        InputError, match=r"stages/series/grid\.py, line \d+: expected valid Python"
    ):
        code.contents(copy, TASKS)


def test_nothing_is_watched_in_these_tests() -> None:
    assert "DVC_STAGE" not in os.environ
    with watch.watched():
        Path(ROOT / "params.yaml").read_text()
