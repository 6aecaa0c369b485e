"""Stages in processes that need not import TensorFlow again: a server has imported the packages,
none of the project's own modules, and forks for each command.

A `python` of its own, first on the path, stands in for the interpreter. It hands `python -m` with a
module of `stages` or `tools` to the server, with its environment, its folder and its open files,
and ends as that one ends. What libraries read on import is that of the portable arithmetic; tests
of other settings, of signals and of what is imported need the interpreter itself.
"""

import importlib
import json
import os
import runpy
import select
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = (
    *("matplotlib.pyplot", "pandas", "pyarrow.parquet"),
    *("scipy.stats", "sklearn.linear_model", "statsmodels.api"),
)
# -I and -S: the client imports next to nothing. The path of a temporary folder may be longer than a
# socket takes.
SHELL = """\
#!/bin/sh
exec {python} -IS {folder}/client.py {python} "$@"
"""
CLIENT = """\
import os, sys
python, *arguments = sys.argv[1:]
if arguments[:1] != ["-m"] or not arguments[1].startswith(("stages.", "tools.")):
    os.execv(python, [python, *arguments])
import array, json, socket
said = json.dumps([arguments[1:], os.getcwd(), dict(os.environ)]).encode()
files = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0, 1, 2]))]
os.chdir(os.path.dirname(__file__))
server = socket.socket(socket.AF_UNIX)
server.connect("socket")
server.sendmsg([len(said).to_bytes(8, "big")], files)
server.sendall(said)
code = server.recv(1)
sys.exit(code[0] if code else "the forked process was killed")
"""


@contextmanager
def server(folder: Path) -> Iterator[dict[str, str]]:
    """Starts a server, whose files are in `folder`. Gives the variables with which commands use
    it."""
    quoted = {"python": shlex.quote(sys.executable), "folder": shlex.quote(str(folder))}
    (folder / "python").write_text(SHELL.format(**quoted))
    (folder / "python").chmod(0o755)
    (folder / "client.py").write_text(CLIENT)
    with subprocess.Popen(
        [sys.executable, "-P", __file__], cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"listening\n"
        yield {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}
        process.kill()


def serve() -> None:
    """Forks for each command that arrives, until the process that started it has ended."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket")
        listening.listen(16)
        sys.stdout.write("listening\n")
        sys.stdout.flush()
        import_packages()
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the forked processes
        while sys.stdin not in select.select([sys.stdin, listening], [], [])[0]:
            connection, _ = listening.accept()
            if os.fork() == 0:
                listening.close()
                connection.sendall(bytes([answer(connection)]))
                os._exit(0)
            connection.close()


def import_packages() -> None:
    """Imports what takes long, in the environment that `stages` sets."""
    sys.path.insert(0, str(ROOT))
    for name in ("stages.networks.backend", *PACKAGES):
        importlib.import_module(name)
    sys.path.remove(str(ROOT))
    for name in [name for name in sys.modules if name.partition(".")[0] == "stages"]:
        del sys.modules[name]


def answer(connection: socket.socket) -> int:
    """Runs one command. Returns its exit code."""
    head, files, *_ = socket.recv_fds(connection, 8, 3)
    with connection.makefile("rb") as stream:
        arguments, folder, environment = json.loads(stream.read(int.from_bytes(head, "big")))
    for number, file in enumerate(files):
        os.dup2(file, number)
    # Python's own remember whether the server's files can seek.
    sys.stdin, sys.stdout, sys.stderr = (
        os.fdopen(number, mode, buffering, encoding="utf-8", closefd=False)
        for number, (mode, buffering) in enumerate([("r", -1), ("w", -1), ("w", 1)])
    )
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.path.insert(0, folder)
    sys.argv = arguments
    try:
        runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)
        code: object = 0
    except SystemExit as end:
        code = end.code
    except BaseException:
        sys.excepthook(*sys.exc_info())
        code = 1
    if isinstance(code, str):
        sys.stderr.write(f"{code}\n")
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    return int(code or 0)  # type: ignore[call-overload]


if __name__ == "__main__":
    serve()
