"""Ingested table -> data/examples/TASK: scaled series, and windows as an index."""

from stages import command, kinds
from stages.files import parameters
from stages.preparing import prepare


def main(arguments: list[str]) -> None:
    task = command.parser(__doc__).parse_args(arguments).task
    kind = parameters.kind(task)
    module = kinds.module(kind, "scale_and_window")
    prepare(task, kind, module, parameters.section(task, "scale_and_window", module.Parameters))


if __name__ == "__main__":
    command.run(main)
