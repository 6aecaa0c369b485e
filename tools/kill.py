"""Kills the pipeline at random moments, lets it go on, and compares what it ends with with the
committed `dvc.lock`.

python -m tools.kill --times 100 --seed 1     # all tasks
python -m tools.kill predict@next_word        # up to one stage

A run starts in a fresh clone, without a cache. It is killed (SIGKILL, with all its processes) again
and again, goes on each time, and when it has ended, another one starts, until there were `--times`
kills; the last run ends undisturbed. Exit code 1 if a run fails or ends with another output.
"""

import logging
import os
import random
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from ruamel.yaml import YAML

from stages import command
from stages.errors import InputError
from tools import clones

log = logging.getLogger("reprise")


def main(arguments: list[str]) -> None:
    parser = command.parser(__doc__, task=False)
    parser.add_argument("targets", nargs="*", help="stages to run up to; none: all")
    parser.add_argument("--times", type=int, default=100, help="kills in all")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument(
        "--longest",
        type=float,
        default=30,
        help="seconds after which a run is killed at the latest",
    )
    parser.add_argument(
        "--checkpoint-seconds", type=float, default=2, help="between two checkpoints of training"
    )
    given = parser.parse_args(arguments)
    moments = random.Random(given.seed)
    root, kills, runs, resumed = Path.cwd(), 0, 0, 0
    with tempfile.TemporaryDirectory() as folder:
        while kills < given.times:
            runs += 1
            project = clones.clone(root, Path(folder) / f"run_{runs}")
            _set_checkpoints(project / "params.yaml", given.checkpoint_seconds)
            ended = False
            while not ended:
                wait = moments.uniform(0, given.longest) if kills < given.times else None
                said, ended = _run(project, given.targets, wait)
                resumed += said.count("training goes on after step")
                if not ended:
                    kills += 1
                    log.info("kill %d, after %.1f s", kills, wait)
            expected, received = clones.outs(root), clones.outs(project)
            other = sorted(path for path in received if received[path] != expected.get(path))
            if other:
                raise InputError(
                    f"run {runs}, after {kills} kills: expected the outputs of dvc.lock, received "
                    f"others: {', '.join(other)}"
                )
            log.info("run %d ended with the outputs of dvc.lock", runs)
    log.info(
        "%d kills in %d runs, training resumed from a checkpoint %d times: all ended with the "
        "same bytes",
        kills,
        runs,
        resumed,
    )


def _set_checkpoints(path: Path, seconds: float) -> None:
    """How often checkpoints are written changes no result."""
    yaml = YAML()
    content = yaml.load(path)
    for task in content["tasks"].values():
        task["train"]["checkpoint_seconds"] = seconds
    yaml.dump(content, path)


def _run(project: Path, targets: list[str], wait: float | None) -> tuple[str, bool]:
    """Runs the pipeline as `make run` does. Returns what it said, and whether it ended before it
    was killed, after `wait` seconds."""
    line = f"{sys.executable} -m tools.repair && {sys.executable} -m dvc repro {' '.join(targets)}"
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    with subprocess.Popen(
        line,
        shell=True,
        cwd=project,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    ) as process:
        try:
            said, _ = process.communicate(timeout=wait)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return process.communicate()[0], False
    if process.returncode:
        raise InputError(
            "expected that the run goes on, but it ended with exit code "
            f"{process.returncode}:\n{said}"
        )
    return said, True


if __name__ == "__main__":
    command.run(main)
