"""Ingested table -> data/examples/TASK: token ids, and the tokenizer."""

from stages import command, kinds
from stages.files import parameters


def main(arguments: list[str]) -> None:
    task = command.parser(__doc__).parse_args(arguments).task
    kinds.module(parameters.kind(task), "tokenize_text").main(arguments)


if __name__ == "__main__":
    command.run(main)
