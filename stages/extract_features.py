"""Ingested table -> data/examples/TASK: log-mel energies of recordings, and the ids of their
transcripts."""

from stages import command, kinds
from stages.files import parameters
from stages.preparing import prepare


def main(arguments: list[str]) -> None:
    task = command.parser(__doc__).parse_args(arguments).task
    kind = parameters.kind(task)
    module = kinds.module(kind, "extract_features")
    prepare(task, kind, module, parameters.section(task, "extract_features", module.Parameters))


if __name__ == "__main__":
    command.run(main)
