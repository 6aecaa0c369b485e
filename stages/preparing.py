"""What the stages that prepare examples have in common."""

import logging
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from stages import kinds
from stages.errors import naming
from stages.files import examples
from stages.files.task_data import IngestedTable
from stages.files.writing import write_text
from stages.sections import Section

if TYPE_CHECKING:
    from stages.kinds.interfaces import Prepare

log = logging.getLogger("reprise")


def prepare(task: str, kind: str, module: "Prepare", section: Section) -> None:
    """Prepares the examples of a task by a module of its kind, and writes them."""
    ingested = IngestedTable(Path("data/ingested") / task, kinds.package(kind).Ingested)
    folder = Path("data/examples") / task
    # In the stage's own folder, which the next run empties if this one is killed.
    scratch = folder / ".scratch"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    try:
        with naming(f"task {task}"):
            prepared = module.prepare(ingested, section, scratch)
            examples.write(folder, prepared.examples)
    finally:
        shutil.rmtree(scratch)
    for name, text in prepared.files.items():
        write_text(folder / name, text)
    log.info("%s: %s", task, prepared.summary)
