"""What every stage does on the command line: read its arguments, log, and end with one clear
error."""

import argparse
import io
import logging
import os
import platform
import re
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NoReturn

from stages import arithmetic, watch
from stages.errors import InputError

log = logging.getLogger("reprise")

# What steers a terminal, or turns the order of what it shows: C0 and C1 but for the line end and
# the tab, marks of direction, and halves of surrogate pairs.
_STEERING = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


def printable(text: str) -> str:
    """Returns `text` with what would steer a terminal written as an escape: it may come from data,
    a server or an archive."""
    return _STEERING.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), text)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        super().error(printable(message))


class _Formatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record))


def parser(description: str | None, *, task: bool = True) -> argparse.ArgumentParser:
    """Returns the parser of a stage; `task` adds the name of an entry of `params.yaml` as its first
    argument."""
    arguments = _Parser(description=(description or "").split("\n\n")[0])
    if task:
        arguments.add_argument("task", help="the name of a task in params.yaml")
    return arguments


def run(main: Callable[[list[str]], None]) -> None:
    """Runs `main` with the command line's arguments. Any failure is one line on the standard error,
    and exit code 1."""
    stopped = []

    def stop(*_: Any) -> None:
        stopped.append(True)
        raise KeyboardInterrupt

    # Native code that calls Python, as TensorFlow's does while it traces, may make another error of
    # the interruption.
    if (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    ):
        signal.signal(signal.SIGINT, stop)
    try:
        _set_up_output()
        _set_up_logging()
        arithmetic.report()
        if (
            time.gmtime().tm_year < 1980
        ):  # archives hold no earlier date, so that a model would be lost after its training
            raise InputError(
                f"expected a clock that is set, received the year {time.gmtime().tm_year}: set "
                "the date of this machine"
            )
        with watch.watched():
            main(sys.argv[1:])
        sys.stdout.flush()
    except SystemExit:
        raise
    except BaseException as error:
        _give_up_output()
        if stopped:
            sys.exit("stopped by the user: `dvc repro` goes on, training from its last checkpoint")
        if isinstance(error, BrokenPipeError):
            sys.exit(
                128 + signal.SIGPIPE
            )  # who reads the output has enough, as `head` does: nothing to say
        if not isinstance(error, Exception):
            raise
        sys.exit(printable(f"error: {_message(error)}"))


def _set_up_output() -> None:
    """Makes sure that there is a standard output, and that it takes what its encoding lacks, as an
    escape."""
    if sys.stdout is None:  # closed by who called
        sys.stdout = io.StringIO()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _set_up_logging() -> None:
    level = os.environ.get("LOG_LEVEL", "INFO").upper()
    if level not in logging.getLevelNamesMapping():
        raise InputError(
            "the variable LOG_LEVEL: expected one of DEBUG, INFO, WARNING, ERROR, received "
            f"{level!r}"
        )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Formatter("%(message)s"))
    logging.basicConfig(level=level, handlers=[handler])
    # Libraries say at this level what only their own developers need.
    for noisy in ("matplotlib", "fontTools", "h5py", "absl"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def _give_up_output() -> None:
    """Writes what can still be written to the standard output; the rest would be an error once more
    when Python ends."""
    with suppress(OSError, ValueError):
        try:
            sys.stdout.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _message(error: Exception) -> str:
    """Returns what a user can do about an error."""
    names = {base.__name__ for base in type(error).__mro__}
    reason = _shortened(error)
    if isinstance(error, InputError):
        return str(error)
    if names & {
        "MemoryError",
        "ResourceExhaustedError",
    }:  # Python's, NumPy's and Arrow's; TensorFlow's
        return (
            f"expected enough memory, received too little: {reason}. Close other programs, or make "
            "the data or the parameters smaller"
        )
    if isinstance(error, OSError):
        return _system_message(error)
    report = _with_traceback(error)
    return f"a fault of Reprise's own, not of yours: {type(error).__name__}: {reason}. {report}"


def _system_message(error: OSError) -> str:
    if error.errno is None or error.filename is None:
        return os.strerror(error.errno) if error.errno else _shortened(error)
    hint = (
        ": run `dvc repro` or `dvc pull`"
        if isinstance(error, FileNotFoundError) and str(error.filename).startswith("data/")
        else ""
    )
    return f"{error.filename}: {os.strerror(error.errno)}{hint}"


def _with_traceback(error: Exception) -> str:
    """Puts the traceback into a file outside of the project, whose folder may be a temporary copy
    of DVC's, and says where it is."""
    system = f"Python {platform.python_version()} on {platform.platform()}"
    text = f"{sys.argv}\n{system}\n\n{''.join(traceback.format_exception(error))}"
    try:
        with tempfile.NamedTemporaryFile(
            "w",
            prefix="reprise-",
            suffix=".txt",
            delete=False,
            encoding="utf-8",
            errors="backslashreplace",
        ) as file:
            file.write(text)
    except OSError:
        return f"Please report it with what follows\n{text}"
    return f"Please report it with the file {file.name}, which holds the traceback"


def _shortened(error: Exception) -> str:
    """Returns the first line of an error's message."""
    line = next(iter(str(error).strip().splitlines()), "")
    line = line if len(line) <= 300 else line[:300] + "..."
    return line.rstrip(".") or type(error).__name__
