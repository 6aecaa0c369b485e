"""What every stage does on the command line: read its arguments, log, and end with one clear error."""

import argparse
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any

from stages.errors import InputError

log = logging.getLogger("reprise")


def parser(description: str | None, *, task: bool = True) -> argparse.ArgumentParser:
    """Returns the parser of a stage; `task` adds the name of an entry of `params.yaml` as its first argument."""
    arguments = argparse.ArgumentParser(description=(description or "").split("\n\n")[0])
    if task:
        arguments.add_argument("task", help="the name of a task in params.yaml")
    return arguments


def run(main: Callable[[list[str]], None]) -> None:
    """Runs `main` with the command line's arguments. Exit code 1 and one line on the standard error for a user's error."""
    logging.basicConfig(level=os.environ.get("LOG_LEVEL", "INFO"), format="%(message)s", stream=sys.stderr)
    # Libraries say at this level what only their own developers need.
    for noisy in ("matplotlib", "fontTools", "h5py", "absl"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    stopped = []

    def stop(*_: Any) -> None:
        stopped.append(True)
        raise KeyboardInterrupt

    # Native code that calls Python, as TensorFlow's does while it traces, may make another error of the interruption.
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, stop)
    try:
        main(sys.argv[1:])
    except InputError as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        sys.exit(f"error: {error}")
    except BaseException:
        if not stopped:
            raise
        sys.exit("stopped by the user: `dvc repro` goes on, training from its last checkpoint")
