"""Raw file -> data/ingested/TASK: a typed, sorted table in Parquet, split once into train,
validation and test."""

import logging
from dataclasses import asdict
from pathlib import Path

from stages import command, kinds
from stages.errors import InputError
from stages.files import parameters, tables
from stages.files.writing import sha256_of, write_json

log = logging.getLogger("reprise")


def main(arguments: list[str]) -> None:
    task = command.parser(__doc__).parse_args(arguments).task
    module = kinds.module(parameters.kind(task), "ingest")
    section = parameters.section(task, "ingest", module.Parameters)
    source = Path(section.file)
    try:
        table, ingested = module.ingest(module.read(source, section), section)
    except InputError as error:
        # Errors of reading name the file by themselves.
        where = "" if str(source) in str(error) else f"{source}: "
        raise InputError(f"task {task}: {where}{error}") from None
    folder, about = Path("data/ingested") / task, asdict(ingested)
    tables.write(folder / "table.parquet", table)
    write_json(folder / "about.json", {"sha256": sha256_of(source), **about})
    shown = (f"{key} {value}" for key, value in about.items() if value not in (None, {}))
    log.info("%s: %s", task, ", ".join(shown))


if __name__ == "__main__":
    command.run(main)
