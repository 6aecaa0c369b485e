"""Ingested table -> data/examples/TASK: token ids, and the tokenizer as readable text."""

from stages import command, kinds
from stages.files import parameters
from stages.preparing import prepare


def main(arguments: list[str]) -> None:
    task = command.parser(__doc__).parse_args(arguments).task
    kind = parameters.kind(task)
    module = kinds.module(kind, "tokenize_text")
    prepare(task, kind, module, parameters.section(task, "tokenize_text", module.Parameters))


if __name__ == "__main__":
    command.run(main)
