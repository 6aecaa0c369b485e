"""Changes of a project, each of which plants one fault."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from ruamel.yaml import YAML

from stages.files.writing import read_json, write_json


def replace(path: str, old: str, new: str) -> Callable[[Path], None]:
    def change(project: Path) -> None:
        text = (project / path).read_text()
        assert old in text
        (project / path).write_text(text.replace(old, new, 1))

    return change


def append(path: str, text: str) -> Callable[[Path], None]:
    def change(project: Path) -> None:
        with (project / path).open("a") as file:
            file.write(text)

    return change


def all_of(*changes: Callable[[Path], None]) -> Callable[[Path], None]:
    def change(project: Path) -> None:
        for one in changes:
            one(project)

    return change


def commit_a_cached_output(project: Path) -> None:
    subprocess.run(["git", "add", "-f", "data/models/own/about.json"], cwd=project, check=True)


def other_raw_data(project: Path) -> None:
    path = project / "data/raw/own.csv"
    path.unlink()
    path.write_text("y\n" + "".join(f"{step % 7}\n" for step in range(100)))
    subprocess.run(
        [Path(sys.executable).parent / "dvc", "add", "-q", path], cwd=project, check=True
    )


def lose_an_entry(project: Path) -> None:
    yaml = YAML()
    lock = yaml.load(project / "dvc.lock")
    del lock["stages"]["evaluate@own"]
    yaml.dump(lock, project / "dvc.lock")


def mix_entries(project: Path) -> None:
    """As a careless merge does: a stage's entry is of one side, that of the stage before it of the
    other."""
    yaml = YAML()
    lock = yaml.load(project / "dvc.lock")
    lock["stages"]["ingest@own"]["outs"][0]["md5"] = "0" * 32 + ".dir"
    yaml.dump(lock, project / "dvc.lock")


def write(path: str, content: bytes) -> Callable[[Path], None]:
    return lambda project: (project / path).write_bytes(content)  # type: ignore[return-value]


def set_in_graph(stage: str, **parts: object) -> Callable[[Path], None]:
    def change(project: Path) -> None:
        yaml = YAML()
        graph = yaml.load(project / "dvc.yaml")
        graph["stages"][stage].update(parts)
        yaml.dump(graph, project / "dvc.yaml")

    return change


def remove(path: str) -> Callable[[Path], None]:
    return lambda project: (project / path).unlink()


def git(*arguments: str) -> Callable[[Path], None]:
    return lambda project: subprocess.run(["git", *arguments], cwd=project, check=True)  # type: ignore[return-value]


def other_version(package: str) -> Callable[[Path], None]:
    def change(project: Path) -> None:
        path = project / "requirements.lock"
        text, count = re.subn(rf"(?m)^{package}==\S+", f"{package}==99.0", path.read_text())
        assert count == 1
        path.write_text(text)

    return change


def edit_a_score(project: Path) -> None:
    path = project / "data/metrics/summary.json"
    content = read_json(path)
    content["own"]["mae"] /= 2
    write_json(path, content)
