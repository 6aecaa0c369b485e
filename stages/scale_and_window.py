"""Ingested table -> data/examples/TASK: the scaled series, and the windows as an index."""

from stages import command, kinds
from stages.files import parameters


def main(arguments: list[str]) -> None:
    task = command.parser(__doc__).parse_args(arguments).task
    module = kinds.module(parameters.kind(task), "scale_and_window")
    parameters.section(task, "scale_and_window", module.Parameters)
    module.main(arguments)


if __name__ == "__main__":
    command.run(main)
