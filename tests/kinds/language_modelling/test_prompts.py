"""How prompts become ids, and what is generated from these."""

from typing import Any

import numpy as np
import pytest

from stages.errors import InputError
from stages.kinds.language_modelling import train as training
from stages.kinds.language_modelling.generating import Generator, Parameters
from stages.networks.backend import keras
from stages.networks.prediction import stepping
from stages.text import tokens
from tests.kinds.language_modelling.project import (
    LINES,
    TEXTS,
    WORDS,
    data,
    tokenize,
    write_parameters,
    write_texts,
)


def generator_of(
    section: dict[str, Any], *, texts: list[str] | None = None, **prediction: Any
) -> Generator:
    """Returns a generator with an untrained network, for the lines of plain text or for `texts`.

    section: `tokenize_text` in params.yaml. prediction: the parameters of generation.
    """
    if texts is not None:
        write_texts(texts)
    write_parameters(tokenize_text=section, ingest=TEXTS if texts is not None else {})
    examples = tokenize()
    network = training.build(examples, training.Parameters(units=2), "network")
    tokenizer = tokens.from_json(data().text("tokenizer.json"))
    return Generator(network, tokenizer, examples, Parameters(**prediction), lines=texts is None)


def ids_of(generator: Generator, prompt: str) -> list[int]:
    return generator.encode(prompt).tolist()


@pytest.mark.usefixtures("trained")
def test_generation_takes_one_step_per_token() -> None:
    """With the state carried, what is generated is what the whole text before it gives."""
    network = keras.saving.load_model("data/models/x/model.keras")
    tokenizer = tokens.from_json(data().text("tokenizer.json"))
    parameters = Parameters(temperature=0.0, tokens=8)
    generator = Generator(network, tokenizer, data().examples, parameters)
    ids = generator.encode("the cat")
    (continuation,) = generator.continuations("the cat", ids, 1)
    step, path = stepping(network), [tokens.END, *ids.tolist()]
    assert continuation.tokens
    for token in continuation.tokens:
        logits = step(np.array([path], np.int32), None)[0][0]
        logits[[tokens.PAD, tokens.UNKNOWN]] = -np.inf  # never written
        path.append(int(logits.argmax()))
        assert tokenizer.token(path[-1]) == token


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize("unit", ["characters", "words"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_a_line_break_in_a_prompt_ends_a_text_where_texts_are_lines(
    unit: str, line_end: str
) -> None:
    generator = generator_of({"unit": unit})
    the, home, end = ids_of(generator, "the"), ids_of(generator, "home"), [tokens.END]
    assert ids_of(generator, f"the{line_end}home{line_end}") == the + end + home + end
    assert ids_of(generator, line_end) == end


@pytest.mark.usefixtures("project")
def test_a_line_break_in_a_prompt_is_nothing_where_lines_have_no_end() -> None:
    generator = generator_of({"unit": "characters", "end": False})
    assert ids_of(generator, "the\nhome") == ids_of(generator, "thehome")


@pytest.mark.usefixtures("project")
def test_a_line_break_in_a_prompt_is_a_character_where_texts_have_it() -> None:
    texts = [f"{line}\n{line}" for line in LINES]
    generator = generator_of({"unit": "characters"}, texts=texts)
    assert not {tokens.UNKNOWN, tokens.END} & set(ids_of(generator, "the\nhome"))


@pytest.mark.usefixtures("project")
def test_a_line_break_in_a_prompt_ends_a_text_where_no_text_has_it() -> None:
    generator = generator_of({"unit": "characters"}, texts=LINES)
    the, home = ids_of(generator, "the"), ids_of(generator, "home")
    assert ids_of(generator, "the\nhome") == [*the, tokens.END, *home]


@pytest.mark.usefixtures("project")
def test_a_prompt_for_beginnings_of_texts_is_cropped_as_generation_crops() -> None:
    generator = generator_of({"examples": "prefixes"}, tokens=3, temperature=0.0)
    longest = max(len(line.split()) for line in LINES)
    ids = generator.encode(" ".join(WORDS * 5))
    assert generator.tokenizer.decode(ids) == " ".join((WORDS * 5)[-longest:])
    long, short = (
        generator.continuations("", generator.encode(" ".join(words)), 1)
        for words in (WORDS * 5, (WORDS * 5)[-longest:])
    )
    assert long == short
    assert ids_of(generator, "the cat\na dog") == ids_of(generator, "a dog")
    assert ids_of(generator, "the cat\n") == []


@pytest.mark.usefixtures("project")
def test_beginnings_of_texts_stop_at_the_end() -> None:
    with pytest.raises(InputError, match="stop_at_end: expected true"):
        generator_of({"examples": "prefixes"}, stop_at_end=False)


@pytest.mark.usefixtures("project")
def test_an_empty_vocabulary_writes_nothing() -> None:
    with pytest.raises(InputError, match="a vocabulary with tokens to write, received an empty"):
        generator_of({"minimum_count": 10**6, "end": False})
