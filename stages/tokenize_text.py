"""Ingested table -> data/examples/TASK: token ids, and the tokenizer."""

from stages import command, kinds
from stages.files import parameters


def main(arguments: list[str]) -> None:
    task = command.parser(__doc__).parse_args(arguments).task
    module = kinds.module(parameters.kind(task), "tokenize_text")
    parameters.section(task, "tokenize_text", module.Parameters)
    module.main(arguments)


if __name__ == "__main__":
    command.run(main)
