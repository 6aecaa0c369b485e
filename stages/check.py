"""Checks all of params.yaml, before any stage works. Writes data/checked.txt, whose content is
always the same."""

from pathlib import Path
from typing import Any

from stages import command, kinds
from stages.errors import InputError
from stages.files import parameters, sources
from stages.files.writing import write_text
from stages.sections import Key, Section, Seed

TOP = ("seed", "sources", *kinds.PREPARING, "tasks")
# The file of the summary, in the folder where each task has one.
RESERVED = "summary"
SHARED = ("ingest", "baseline", "train", "evaluate", "predict")


def main(arguments: list[str]) -> None:
    command.parser(__doc__, task=False).parse_args(arguments)
    check(parameters.read_all())
    # Every stage depends on this file. It never changes: a wrong parameter stops the run here, a
    # right one re-runs nothing.
    write_text(Path("data/checked.txt"), "parameters checked\n")


def check(content: dict[str, Any]) -> None:
    """Raises `InputError` with one line a fault for everything that is wrong in the content of
    `params.yaml`."""
    faults: list[str] = []

    def attempt(value: Any, model: Any, where: str) -> None:
        try:
            parameters.validated(value, model, where)
        except InputError as error:
            faults.append(str(error))

    faults += [
        f"{parameters.PATH}: {key} is not a known key; expected one of {', '.join(TOP)}"
        for key in content
        if key not in TOP
    ]
    faults += [f"{parameters.PATH}: {key} is missing" for key in TOP if key not in content]
    if faults:
        raise InputError("\n".join(faults))
    attempt(content["seed"], Seed, "seed")
    if content["sources"] is None:  # DVC runs over its entries, and takes nothing else
        faults.append(
            f"{parameters.PATH}: sources: expected `sources: {{}}` where there are none, received "
            "nothing"
        )
    else:
        attempt(content["sources"], dict[str, dict[str, Any]], "sources")
    for preparing in kinds.PREPARING:
        attempt(content[preparing], list[str], preparing)
    attempt(content["tasks"], dict[str, dict[str, Any]], "tasks")
    if faults:
        raise InputError("\n".join(faults))
    files: dict[Any, str] = {}
    for name, source in content["sources"].items():
        attempt(name, Key, "sources")
        try:
            attempt(
                source,
                sources.model_of(source, f"{parameters.PATH}: sources.{name}"),
                f"sources.{name}",
            )
        except InputError as error:
            faults.append(str(error))
        other = files.setdefault(str(source.get("file")), name)
        if other != name:
            faults.append(
                f"{parameters.PATH}: sources.{name}.file: expected another name than that of "
                f"sources.{other}, received the same"
            )
    for name, entry in content["tasks"].items():
        faults += _faults_of_task(name, entry, content, attempt)
    for preparing in kinds.PREPARING:
        of_kinds = [kind for kind in kinds.names() if kinds.preparing(kind) == preparing]
        for name in content[preparing]:
            kind = content["tasks"].get(name, {}).get("kind")
            known = isinstance(kind, str) and kind in kinds.names()
            if name not in content["tasks"] or (known and kind not in of_kinds):
                expected = f"names of tasks of the kind {' or '.join(of_kinds)}"
                faults.append(
                    f"{parameters.PATH}: {preparing}: expected {expected}, received {name!r}"
                )
    if faults:
        raise InputError("\n".join(faults))


def _faults_of_task(
    name: str, entry: dict[str, Any], content: dict[str, Any], attempt: Any
) -> list[str]:
    faults: list[str] = []
    attempt(name, Key, "tasks")
    if name == RESERVED:
        faults.append(
            f"{parameters.PATH}: tasks: expected another name than {RESERVED!r}, which is that of "
            "the summary of all tasks"
        )
    kind = entry.get("kind")
    if not isinstance(kind, str) or kind not in kinds.names():
        return [
            *faults,
            f"{parameters.PATH}: tasks.{name}.kind: expected one of "
            f"{', '.join(kinds.names())}, received {kind!r}",
        ]
    preparing = kinds.preparing(kind)
    if name not in content[preparing]:
        faults.append(
            f"{parameters.PATH}: {preparing}: expected {name!r} in this list, as its kind is {kind}"
        )
    models: dict[str, type[Section]] = {
        stage: kinds.module(kind, stage).Parameters for stage in SHARED
    }
    models[preparing] = kinds.module(kind, preparing).Parameters
    faults += [
        f"{parameters.PATH}: tasks.{name}.{stage} is not a known section; expected one of "
        f"{', '.join(models)}"
        for stage in entry
        if stage not in models and stage != "kind"
    ]
    for stage, model in models.items():
        if stage not in entry:
            faults.append(_missing(model, f"tasks.{name}.{stage}", stage))
        else:
            attempt(entry[stage], model, f"tasks.{name}.{stage}")
    return faults


def _missing(model: type[Section], where: str, stage: str) -> str:
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
