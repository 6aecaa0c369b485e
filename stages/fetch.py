"""Sources -> data/raw/FILE: downloads, takes out of a package, or generates a raw file, and checks
its sha256."""

import logging
from typing import Any

from stages import command
from stages.errors import InputError
from stages.files import parameters, sources

log = logging.getLogger("reprise")


def main(arguments: list[str]) -> None:
    parser = command.parser(__doc__, task=False)
    parser.add_argument("source", help="the name of an entry of `sources` in params.yaml")
    name = parser.parse_args(arguments).source
    entry = parameters.validated(
        parameters.read_all().get("sources") or {}, dict[str, Any], "sources"
    ).get(name)
    if entry is None:
        raise InputError(f"{parameters.PATH}: expected the name of a source, received {name!r}")
    model = sources.model_of(entry, f"{parameters.PATH}: sources.{name}")
    path = sources.fetch(parameters.validated(entry, model, f"sources.{name}"), parameters.seed())
    log.info("%s: %s", name, path)


if __name__ == "__main__":
    command.run(main)
