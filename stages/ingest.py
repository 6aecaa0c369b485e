"""Raw file -> data/ingested/TASK: a typed, sorted table in Parquet, split once into train,
validation and test."""

import logging
from pathlib import Path

from stages import command, kinds
from stages.errors import InputError
from stages.files import parameters, readers, tables
from stages.files.writing import sha256_of, write_json

log = logging.getLogger("reprise")


def main(arguments: list[str]) -> None:
    task = command.parser(__doc__).parse_args(arguments).task
    part = kinds.module(parameters.kind(task), "ingest")
    section = parameters.section(task, "ingest", part.Parameters)
    source = Path(section.file)
    try:
        parts = readers.READERS[part.READS](
            source, section.parts, part.columns_to_read(section), section
        )
        table, about = part.ingest(parts, section)
    except InputError as error:
        # Errors of reading name the file by themselves.
        where = "" if str(source) in str(error) else f"{source}: "
        raise InputError(f"task {task}: {where}{error}") from None
    folder = Path("data/ingested") / task
    tables.write(folder / "table.parquet", table)
    about = {"reading": parts[0].attrs.get("reading", {}), **about}
    write_json(folder / "about.json", {"sha256": sha256_of(source), **about})
    log.info(
        "%s: %s",
        task,
        ", ".join(f"{key} {value}" for key, value in about.items() if value not in (None, {})),
    )


if __name__ == "__main__":
    command.run(main)
