"""A kind that does not offer what its interfaces ask for is named, whatever kinds there are."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from stages import kinds
from tests.conftest import ROOT
from tools import interfaces

# One with all modules.
KIND = next(kind for kind in kinds.names() if kinds.has(kind, "export"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "stages", tmp_path / "stages")
    return tmp_path


def edit(old: str, new: str) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    return change


PLANTED = {
    "a function of another name": (
        "ingest.py",
        edit("ingest, read", "ingest, read as read_all"),
        "expected read",
    ),
    "a parameter of another name": (
        "train.py",
        edit("split: str, parameters", "part: str, parameters"),
        "batches: expected the parameters examples, split, parameters",
    ),
    "a parameter that is needed besides": (
        "predict.py",
        edit(
            "network: Any, parameters: Parameters)", "network: Any, parameters: Parameters, x: int)"
        ),
        "predict: expected the parameters request, network, parameters",
    ),
    "no scores": ("scores.py", edit("SCORES", "RESULTS"), "expected SCORES"),
    "a module that is missing": ("predict.py", Path.unlink, "predict.py: expected this file"),
    "an optional module with a function of another name": (
        "export.py",
        edit("def serving(", "def serve_all("),
        "expected serving, as stages.kinds.interfaces.Export says",
    ),
    "no sample": ("sample.py", edit("SAMPLES =", "SMALL ="), "expected SAMPLES"),
    "no examples": ("__init__.py", edit("as Examples", "as Rows"), "expected Examples"),
}


@pytest.mark.parametrize("fault", PLANTED)
def test_what_a_kind_lacks_is_named(fault: str, root: Path) -> None:
    name, plant, message = PLANTED[fault]
    assert not list(interfaces.faults(root))
    plant(root / "stages/kinds" / KIND / name)
    (line,) = interfaces.faults(root)
    assert line.startswith(f"stages/kinds/{KIND}/{name}: ")
    assert message in line


def test_an_optional_module_may_be_missing(root: Path) -> None:
    for name in interfaces.interfaces.OPTIONAL:
        (root / f"stages/kinds/{KIND}/{name}.py").unlink(missing_ok=True)
    assert not list(interfaces.faults(root))


@pytest.mark.slow
def test_mypy_holds_every_kind_to_the_types_of_its_interfaces(root: Path) -> None:
    shutil.copy2(ROOT / "pyproject.toml", root)
    (root / "kinds_of.py").write_text(interfaces.assignments(root))

    def check() -> str:
        command = [sys.executable, "-m", "mypy", "kinds_of.py"]
        return subprocess.run(command, cwd=root, capture_output=True, text=True).stdout

    assert "Success" in check()
    edit("-> Baselines:", "-> int:")(root / f"stages/kinds/{KIND}/baseline.py")
    assert "kinds_of.py" in check()
