"""Watches a stage that DVC runs: of the project it may read what `dvc.yaml` declares for it.

DVC re-runs a stage when something changes that is declared. What is read without a declaration,
however it is read, would make results stale unseen, so that the stage ends with an error instead:
a file, a module of the project, or a parameter. A stage also ends before its work where the code
or the packages are not those that its file in `data/code` names.

Nothing is watched where a stage is run by hand: then DVC records no result.
"""

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NoReturn

from stages.errors import InputError

CODE = "data/code/"
PARAMETERS = "params.yaml"
# What stages keep for themselves; no result depends on it.
SCRATCH = ("data/checkpoints/", "data/times/")
_READING = ("open", "os.listdir", "os.scandir")


@dataclass
class _Watch:
    """The stage that is watched: `seen` is what it read before its declarations were known."""

    root: str
    stage: str
    seen: list[str] = field(default_factory=list)
    declared: "Declared | None" = None
    fault: InputError | None = None
    paused: bool = False


@dataclass(frozen=True)
class Declared:
    """What `dvc.yaml` declares for a stage: files and folders that it may read, parameters as
    tuples of keys, and the modules that it may import."""

    reads: tuple[str, ...]
    writes: tuple[str, ...]
    parameters: tuple[tuple[str, ...], ...]
    modules: frozenset[str] = frozenset()

    def allows(self, path: str) -> bool:
        if path in self.modules or path.startswith(SCRATCH):
            return True
        if any(f"{path}/".startswith(f"{name}/") for name in (*self.reads, *self.writes)):
            return True
        # A file that is not yet finished stands beside its place.
        folder, _, name = path.rpartition("/")
        return name.startswith(".") and folder in {out.rpartition("/")[0] for out in self.writes}


_watch: _Watch | None = None


def begin() -> None:
    """Starts to note what is read, as early as the package `stages` is imported."""
    global _watch
    if _watch is None and "DVC_STAGE" in os.environ:
        _watch = _Watch(f"{Path.cwd()}{os.sep}", os.environ["DVC_STAGE"].rpartition(":")[2])
        sys.addaudithook(_hook)


@contextmanager
def watched() -> Iterator[None]:
    """Lets the block read what is declared for the stage alone. Raises `InputError` if it reads
    anything else, also where it suppresses that error itself."""
    if _watch is None:
        yield
        return
    with paused():
        _watch.declared = _declarations(_watch.stage)
    for path in _watch.seen:
        _expect_declared(_watch, path)
    try:
        yield
    finally:
        if _watch.fault is not None:
            raise _watch.fault


@contextmanager
def paused() -> Iterator[None]:
    """Lets the block read anything: it sees to it by itself that only what is declared is used."""
    if _watch is None:
        yield
        return
    before, _watch.paused = _watch.paused, True
    try:
        yield
    finally:
        _watch.paused = before


def reads(path: Path) -> None:
    """Tells of a file that a library reads past Python, as Arrow does."""
    if _watch is not None:
        _hook("open", (str(path), "rb", os.O_RDONLY))


def declared_parameters(content: dict[str, Any]) -> dict[str, Any]:
    """Returns the content of `params.yaml` in which the parameters that are not declared for the
    stage raise an error when they are used."""
    if _watch is None or _watch.declared is None:
        return content
    return _restricted(content, _watch.declared.parameters, ())


class Undeclared:
    """Stands for a parameter that `dvc.yaml` does not declare for the stage. Any use raises
    `InputError`."""

    def __init__(self, name: str) -> None:
        self.__dict__["name"] = name

    def refuse(self, *_: object) -> NoReturn:
        assert _watch is not None
        name = self.__dict__["name"]
        _refuse(
            _watch,
            f"the parameter {name} is read and not declared: add it to the params of this stage "
            "in dvc.yaml",
        )

    __getattr__ = __getitem__ = __iter__ = __len__ = __bool__ = __contains__ = refuse
    __eq__ = __lt__ = __gt__ = __le__ = __ge__ = __hash__ = __str__ = __repr__ = refuse
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __neg__ = refuse
    __int__ = __float__ = __index__ = __call__ = refuse


def declarations(stage: str, graph: dict[str, Any], params: dict[str, Any]) -> Declared:
    """Returns what is declared for a stage in the content of `dvc.yaml`, with names filled in from
    that of `params.yaml`.

    Args:
        stage: its name as DVC gives it, such as `check` or `train@TASK`.
    """
    name, _, item = stage.partition("@")
    entry = graph["stages"][name]
    body = entry.get("do", entry)
    values: dict[str, Any] = {"item": item, "key": item}
    entries = params.get(str(entry.get("foreach")).strip("${}"))
    if isinstance(entries, dict):
        values["item"] = entries[item]

    def filled(text: Any) -> str:
        return re.sub(r"\$\{([\w.]+)\}", lambda match: _value(values, match[1]), str(text))

    def paths(*keys: str) -> tuple[str, ...]:
        found = [path for key in keys for path in body.get(key, [])]
        names = [next(iter(path)) if isinstance(path, dict) else path for path in found]
        return tuple(os.path.normpath(filled(path)) for path in names)

    return Declared(
        reads=paths("deps"),
        writes=paths("outs", "plots", "metrics"),
        parameters=tuple(tuple(filled(key).split(".")) for key in body.get("params", [])),
    )


def _value(values: dict[str, Any], name: str) -> str:
    value: Any = values
    for key in name.split("."):
        value = value[key]
    return str(value)


def _declarations(stage: str) -> Declared:
    """Returns what is declared for a stage. Raises `InputError` where its code or its packages are
    not those of its file in `data/code`."""
    from stages import code
    from stages.files import parameters

    params = parameters.read_all()
    declared = declarations(stage, parameters.read_all(Path("dvc.yaml")), params)
    modules = set(code.WATCHING)
    for path in declared.reads:
        if path.startswith(CODE):
            text = Path(path).read_text(encoding="utf-8")
            _expect_current(stage, path, text, code.current(Path(), path, params))
            modules |= {line.split()[-1] for line in text.splitlines()}
    return Declared(declared.reads, declared.writes, declared.parameters, frozenset(modules))


def _expect_current(stage: str, path: str, text: str, current: str) -> None:
    if text != current:
        from stages.code import changes

        changed = ", ".join(changes(text, current))
        raise InputError(
            f"{stage} would run other code than {path} names, as {changed} changed: "
            "run `dvc repro`, which begins with the stage code"
        )
    for line in text.splitlines():
        *pinned, name = line.split()
        if not name.endswith(".py"):
            try:
                installed = version(name)
            except PackageNotFoundError:
                continue  # it is optional, or importing it fails
            if installed not in pinned:
                raise InputError(
                    f"{name}: expected version {' '.join(pinned)}, which requirements.lock pins, "
                    f"received {installed}: run `make setup`"
                )


def _restricted(value: Any, declared: tuple[tuple[str, ...], ...], where: tuple[str, ...]) -> Any:
    if () in declared:
        return value
    if not declared or not isinstance(value, dict):
        return Undeclared(".".join(where))
    return {
        key: _restricted(
            item, tuple(keys[1:] for keys in declared if keys[0] == key), (*where, key)
        )
        for key, item in value.items()
    }


def _hook(event: str, args: tuple[Any, ...]) -> None:
    """Notes what is read. Python calls this for each of its events, so that it must be fast."""
    watch = _watch
    if event not in _READING or watch is None or watch.paused:
        return
    path = args[0]
    if event == "open":
        if args[2] & (os.O_WRONLY | os.O_TRUNC):
            return
    elif path is None:
        path = "."
    if isinstance(path, bytes | str):
        name = os.fsdecode(path)
        if name.startswith(watch.root):
            name = name[len(watch.root) :]
        elif name.startswith(os.sep) or name[1:2] == ":":
            return
        _note(watch, os.path.normpath(name).replace(os.sep, "/"), event)


def _note(watch: _Watch, path: str, event: str) -> None:
    # Environments, Git's and DVC's own files are hidden; what is above is another project.
    if path.startswith(".") or (event != "open" and not path.startswith("data/")):
        return
    if path.endswith(".pyc"):
        path = re.sub(r"__pycache__/(\w+)\.[^/]*$", r"\1.py", path)
    if watch.declared is None:
        watch.seen.append(path)
    else:
        _expect_declared(watch, path)


def _expect_declared(watch: _Watch, path: str) -> None:
    assert watch.declared is not None
    # What does not exist is not read. Its name may also be that in another folder, see os.open.
    if watch.declared.allows(path) or not Path(path).exists():
        return
    if path == PARAMETERS:
        advice = "is opened directly: read it with stages.files.parameters"
    elif path.endswith(".py"):
        advice = (
            "is imported, and the file in data/code that this stage depends on does not name it: "
            "import it with a statement, so that the stage code sees it"
        )
    else:
        advice = "is read and not declared: add it to the deps of this stage in dvc.yaml"
    _refuse(watch, f"{path} {advice}")


def _refuse(watch: _Watch, reason: str) -> NoReturn:
    fault = InputError(f"{watch.stage}: {reason}")
    watch.fault = watch.fault or fault
    raise fault
