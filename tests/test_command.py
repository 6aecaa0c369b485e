"""How a command ends: whatever happens, with one line that tells a user what to do."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from stages import command
from stages.errors import InputError
from tests.conftest import ROOT


def ended(main: Callable[[list[str]], None]) -> str:
    with pytest.raises(SystemExit) as stopped:
        command.run(main)
    return str(stopped.value.code)


def failing(error: BaseException) -> Callable[[list[str]], None]:
    def main(_: list[str]) -> None:
        raise error

    return main


def test_a_fault_of_reprise_is_one_line_that_names_the_file_with_the_traceback() -> None:
    line = ended(failing(KeyError("colour\x1b[2J")))
    assert len(line.splitlines()) == 1
    found = re.fullmatch(
        r"error: a fault of Reprise's own, not of yours: KeyError: .*colour.*\. Please report it "
        r"with the file (\S+), .*",
        line,
    )
    assert found is not None
    file = Path(found[1])
    try:
        assert re.search(r"Traceback(.|\n)*in main\n(.|\n)*KeyError", file.read_text())
        assert file.stat().st_mode & 0o077 == 0
    finally:
        file.unlink()


def test_without_a_place_for_the_traceback_it_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "tempfile.NamedTemporaryFile", lambda *_, **__: failing(PermissionError("no"))([])
    )
    assert re.search(
        r"Please report it with what follows\n(.|\n)*KeyError: 'x'", ended(failing(KeyError("x")))
    )


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (InputError("expected this, received that"), "error: expected this, received that"),
        (
            MemoryError(),
            "error: expected enough memory, received too little: MemoryError. Close other "
            "programs, or make ",
        ),
        (
            FileNotFoundError(2, "x", "data/examples/x/about.json"),
            "error: data/examples/x/about.json: No such file or directory: run `dvc repro`",
        ),
        (PermissionError(13, "x", "params.yaml"), "error: params.yaml: Permission denied"),
        (OSError("only words\nin two lines"), "error: only words"),
        (OSError(28, "x"), "error: No space left on device"),
    ],
)
def test_what_a_user_can_help_is_said(error: Exception, message: str) -> None:
    line = ended(failing(error))
    assert line.startswith(message)
    assert len(line.splitlines()) == 1


def test_an_array_that_is_too_large_for_the_memory_is_one_line() -> None:
    assert "expected enough memory, received too little: Unable to allocate" in ended(
        lambda _: np.zeros(2**50).sum()
    )


def test_an_unknown_level_of_the_log_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOG_LEVEL", "loud")
    assert (
        ended(lambda _: None)
        == "error: the variable LOG_LEVEL: expected one of DEBUG, INFO, WARNING, ERROR, received "
        "'LOUD'"
    )


def test_a_clock_that_is_not_set_is_one_line_before_the_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("time.gmtime", lambda: time.struct_time((1970, 1, 1, 0, 0, 0, 3, 1, 0)))
    message = (
        "error: expected a clock that is set, received the year 1970: set the date of this machine"
    )
    assert ended(failing(KeyError("work"))) == message


def test_what_steers_a_terminal_is_escaped_in_messages_and_in_the_log() -> None:
    text = "a\x1b[2J\x9b\u202eb\x00 \ud800 zażółć 你好 हिन्दी 👩‍🚀\tc"
    assert (
        command.printable(text) == r"a\x1b[2J\x9b\u202eb\x00 \ud800 zażółć 你好 हिन्दी 👩‍🚀" + "\tc"
    )
    assert ended(failing(InputError(text))) == f"error: {command.printable(text)}"
    code = "from stages import command; command.run(lambda _: command.log.info('%s', 'x\\x1b[2Jy'))"
    assert run(code).stderr == "x\\x1b[2Jy\n"
    code = (
        "from stages import command; "
        "command.run(lambda words: command.parser('').parse_args(words))"
    )
    assert r"unrecognized arguments: \x1b[2J" in run(code, "x", "\x1b[2J").stderr


def run(
    code: str, *words: str, stdout: int | None = subprocess.PIPE
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *words],
        cwd=ROOT,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize("lines", [1, 100_000])
def test_a_reader_that_has_enough_ends_a_command_in_silence(lines: int) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = run(
        f"from stages import command; command.run(lambda _: print('line\\n' * {lines}))",
        stdout=writing,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")


def test_an_output_that_is_full_is_one_line() -> None:
    with Path("/dev/full").open("w") as full:
        done = run(
            "from stages import command; command.run(lambda _: print('x'))", stdout=full.fileno()
        )
    assert (done.returncode, done.stderr) == (1, "error: No space left on device\n")


def test_an_output_that_is_closed_or_lacks_a_character_is_no_failure() -> None:
    code = "from stages import command; command.run(lambda _: print('zażółć'))"
    closed = subprocess.run(
        ["sh", "-c", f'"{sys.executable}" -c "{code}" >&-'],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (closed.returncode, closed.stderr) == (0, "")
    ascii_only = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        timeout=60,
    )
    assert ascii_only.stdout == rb"za\u017c\xf3\u0142\u0107" + b"\n"
