"""Runs stages on a processor that this machine does not have, by Debian's `qemu-user`.

DVC runs here as ever; the `python` that it finds for its stages is one that the emulator runs,
dozens of times slower. Emulated instructions round as the processor's own do.
"""

import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from stages.errors import InputError

EMULATOR = "qemu-x86_64"


@dataclass(frozen=True)
class Model:
    """A processor of the emulator's: what it is, its name there, and the features of it that the
    emulator lacks and would warn of in every process. Nothing computes with these."""

    title: str
    name: str
    lacking: tuple[str, ...]


MODELS = {
    "haswell": Model(
        "Intel Haswell", "Haswell", ("pcid", "x2apic", "tsc-deadline", "hle", "invpcid", "rtm")
    ),
    "epyc": Model(
        "AMD EPYC",
        "EPYC",
        (
            *("rdseed", "sha-ni", "fxsr-opt", "misalignsse", "3dnowprefetch", "osvw", "topoext"),
            *("nrip-save", "xsavec"),
        ),
    ),
}


def title(model: str) -> str:
    """Returns what the table of verified processors calls a model of `MODELS`."""
    version = subprocess.run([EMULATOR, "--version"], capture_output=True, text=True, check=True)
    return f"{MODELS[model].title}, emulated by QEMU {version.stdout.split()[2]}"


def install(folder: Path, model: str) -> dict[str, str]:
    """Writes the `python` of a model of `MODELS` to `folder`, and returns the variables by which
    DVC finds it.

    Raises `InputError` where there is no emulator.
    """
    if shutil.which(EMULATOR) is None:
        raise InputError(
            f"expected the emulator {EMULATOR}, found none: install it (on Debian and Ubuntu: "
            "apt install qemu-user), or verify without EMULATE"
        )
    chosen = MODELS[model]
    processor = ",".join([chosen.name, *(f"-{name}" for name in chosen.lacking)])
    # The emulator starts no links to Python such as an environment has, so that packages need a
    # path.
    interpreter = Path(sys.executable).resolve()
    command = shlex.join([EMULATOR, "-cpu", processor, str(interpreter)])
    script = folder / "python"
    script.write_text(f'#!/bin/sh\nexec {command} "$@"\n', encoding="utf-8")
    script.chmod(0o755)
    path = os.pathsep.join([str(folder), str(Path(sys.executable).parent), os.environ["PATH"]])
    return {"PATH": path, "PYTHONPATH": sysconfig.get_path("purelib")}
