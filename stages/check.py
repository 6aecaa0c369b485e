"""Checks all of params.yaml, before any stage works. Writes data/checked.txt, whose content is
always the same."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stages import command, kinds
from stages.arithmetic import Arithmetic
from stages.errors import InputError
from stages.files import parameters, sources
from stages.files.writing import write_text
from stages.sections import Key, Section, Seed

Content = dict[str, Any]

TOP = ("seed", "arithmetic", "sources", *kinds.PREPARING, "tasks")
# The file of the summary, in the folder where each task has one.
RESERVED = "summary"
SHARED = ("ingest", "baseline", "train", "evaluate", "predict")


def main(arguments: list[str]) -> None:
    command.parser(__doc__, task=False).parse_args(arguments)
    check(parameters.read_all())
    # Every stage depends on this file. It never changes: a wrong parameter stops the run here, a
    # right one re-runs nothing.
    write_text(Path("data/checked.txt"), "parameters checked\n")


def check(content: Content) -> None:
    """Raises `InputError` with one line per fault for everything that is wrong in the content of
    `params.yaml`."""
    # Each needs what the one before it has found in order.
    for find in (_faults_of_keys, _faults_of_types, _faults_of_values):
        faults = list(find(content))
        if faults:
            raise InputError("\n".join(faults))


def _faults_of_keys(content: Content) -> Iterator[str]:
    for key in content:
        if key not in TOP:
            expected = ", ".join(TOP)
            yield f"{parameters.PATH}: {key} is not a known key; expected one of {expected}"
    yield from (f"{parameters.PATH}: {key} is missing" for key in TOP if key not in content)


def _faults_of_types(content: Content) -> Iterator[str]:
    yield from _faults(content["seed"], Seed, "seed")
    yield from _faults(content["arithmetic"], Arithmetic, "arithmetic")
    if content["sources"] is None:  # DVC loops over its entries, and takes nothing else
        yield (
            f"{parameters.PATH}: sources: expected `sources: {{}}` where there are none, "
            "received nothing"
        )
    else:
        yield from _faults(content["sources"], dict[str, Content], "sources")
    for stage in kinds.PREPARING:
        yield from _faults(content[stage], list[str], stage)
    yield from _faults(content["tasks"], dict[str, Content], "tasks")


def _faults_of_values(content: Content) -> Iterator[str]:
    yield from _faults_of_sources(content["sources"])
    for name, entry in content["tasks"].items():
        yield from _faults_of_task(name, entry, content)
    for stage in kinds.PREPARING:
        yield from _faults_of_list(stage, content)


def _faults(value: Any, model: Any, where: str) -> Iterator[str]:
    """Yields what is wrong in a value, if it is not of the type `model`."""
    try:
        parameters.validated(value, model, where)
    except InputError as error:
        yield str(error)


def _faults_of_sources(entries: dict[Any, Content]) -> Iterator[str]:
    names: dict[str, Any] = {}
    for name, entry in entries.items():
        where = f"sources.{name}"
        yield from _faults(name, Key, "sources")
        try:
            yield from _faults(entry, sources.model_of(entry, f"{parameters.PATH}: {where}"), where)
        except InputError as error:
            yield str(error)
        other = names.setdefault(str(entry.get("file")), name)
        if other != name:
            yield (
                f"{parameters.PATH}: {where}.file: expected another name than that of "
                f"sources.{other}, received the same"
            )


def _faults_of_task(name: Any, entry: Content, content: Content) -> Iterator[str]:
    where = f"tasks.{name}"
    yield from _faults(name, Key, "tasks")
    if name == RESERVED:
        yield (
            f"{parameters.PATH}: tasks: expected another name than {RESERVED!r}, which is that of "
            "the summary of all tasks"
        )
    kind = entry.get("kind")
    if kind not in kinds.names():
        yield (
            f"{parameters.PATH}: {where}.kind: expected one of {', '.join(kinds.names())}, "
            f"received {kind!r}"
        )
        return
    preparing = kinds.preparing(kind)
    if name not in content[preparing]:
        yield (
            f"{parameters.PATH}: {preparing}: expected {name!r} in this list, as its kind is {kind}"
        )
    models = {stage: kinds.module(kind, stage).Parameters for stage in (*SHARED, preparing)}
    for stage in entry:
        if stage not in (*models, "kind"):
            expected = ", ".join(models)
            yield (
                f"{parameters.PATH}: {where}.{stage} is not a known section; expected one of "
                f"{expected}"
            )
    for stage, model in models.items():
        if stage in entry:
            yield from _faults(entry[stage], model, f"{where}.{stage}")
        else:
            yield _missing(model, f"{where}.{stage}", stage)


def _faults_of_list(stage: str, content: Content) -> Iterator[str]:
    """Yields the names in the list of a preparing stage that are of no task, or of one that another
    stage prepares."""
    own = [kind for kind in kinds.names() if kinds.preparing(kind) == stage]
    for name in content[stage]:
        kind = content["tasks"].get(name, {}).get("kind")
        if name not in content["tasks"] or (kind in kinds.names() and kind not in own):
            yield (
                f"{parameters.PATH}: {stage}: expected names of tasks of the kind "
                f"{' or '.join(own)}, received {name!r}"
            )


def _missing(model: type[Section], where: str, stage: str) -> str:
    """Returns what to write in place of a section that is missing."""
    needed = [key for key, field in model.model_fields.items() if field.is_required()]
    try:
        parameters.validated({}, model, where)
    except InputError as error:
        advice = (
            f"it needs at least {', '.join(needed)}"
            if needed
            else str(error).removeprefix(f"{parameters.PATH}: {where}: ")
        )
    else:
        advice = f"`{stage}: {{}}` takes all defaults"
    return f"{parameters.PATH}: {where} is missing; {advice}"


if __name__ == "__main__":
    command.run(main)
