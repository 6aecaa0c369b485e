"""Scores of language models and choices of the next token, against loops and worked cases."""

import json
import math
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from stages.files import packages
from stages.kinds.language_modelling import baseline, evaluate, tokenize_text
from stages.text import language


def test_scores_by_hand() -> None:
    """Four tokens of probabilities 1/2, 1/4, 1/8, 1/4: perplexity 4; two words, 8 characters."""
    nats = -np.log([0.5, 0.25, 0.125, 0.25])
    about = {"tokens": {"test": 4}, "characters": {"test": 8}, "words": {"test": 2}}
    about |= {"spelling_nats": {"test": 0.0}, "unknown_rate": {"test": 0.25}}
    examples: Any = SimpleNamespace(**about)
    scores = language.scores(nats, examples)
    assert scores["unknown_rate"] == 0.25
    assert scores["perplexity"] == pytest.approx(4)
    assert scores["nats_per_token"] == pytest.approx(2 * math.log(2))
    assert scores["bits_per_character"] == pytest.approx(1)
    assert scores["perplexity_per_word"] == pytest.approx(16)
    # The third token is unknown, and its spelling costs 8 more bits.
    examples.spelling_nats = {"test": 8 * math.log(2)}
    spelled = language.scores(nats, examples)
    assert spelled["perplexity"] == pytest.approx(4)
    assert spelled["bits_per_character"] == pytest.approx(2)
    assert spelled["perplexity_per_word"] == pytest.approx(16**2)


class Texts:
    """An ingested table of texts in memory."""

    about = SimpleNamespace(same=False)

    def __init__(self, texts: list[str], splits: list[int]) -> None:
        self._table = pd.DataFrame({"text": texts, "split": splits}).sort_values(
            "split", kind="stable"
        )

    def chunks(self, columns: list[str]) -> Iterator[pd.DataFrame]:
        yield self._table[columns]


@pytest.mark.parametrize("unit", ["words", "characters"])
def test_a_smaller_vocabulary_is_no_advantage(unit: str, tmp_path: Path) -> None:
    """With ever more unknown tokens, perplexity per token falls, but not the cost of a character.

    Only the first step may pay: where training knows all of its words, a model has never seen an
    unknown one, and does not expect any.
    """
    spec = find_spec("sklearn.linear_model")
    assert spec is not None
    assert spec.origin is not None
    lines = packages.docstrings(Path(spec.origin).parent)
    texts = [json.loads(line)["text"] for line in lines]
    ingested: Any = Texts(texts, [max(0, index % 10 - 7) for index in range(len(texts))])
    results = []
    for count in (1, 3, 50, 10**7):
        parameters = tokenize_text.Parameters.model_validate({"unit": unit, "minimum_count": count})
        prepared = tokenize_text.prepare(ingested, parameters, tmp_path)
        data: Any = SimpleNamespace(examples=prepared.examples)
        judged = evaluate.Parameters()
        results.append(baseline.baseline(data, baseline.Parameters(), judged).scores)
    for method in ("unigram", "trigram"):
        bits, by_word, by_token, unknown = (
            np.array([scores[method][name] for scores in results])
            for name in ("bits_per_character", "perplexity_per_word", "perplexity", "unknown_rate")
        )
        assert (np.diff(by_token) <= 0).all()
        assert (np.diff(unknown) >= 0).all()
        assert bits[1] > 0.94 * bits[0]
        assert (bits[2:] > bits[:2].max()).all()
        assert bits[-1] > 1.4 * bits[0]
        assert by_word[-1] > 2 * by_word[0]


def probabilities_by_loop(
    logits: np.ndarray, temperature: float, top_k: int | None, top_p: float
) -> np.ndarray:
    odds = [math.exp(value / temperature) for value in logits]
    odds = [value / sum(odds) for value in odds]
    ranked = sorted(range(len(odds)), key=lambda token: -odds[token])
    kept, mass = [], 0.0
    for token in ranked[: top_k or len(ranked)]:
        if mass >= top_p:
            break
        kept.append(token)
        mass += odds[token]
    total = sum(odds[token] for token in kept)
    return np.array([odds[token] / total if token in kept else 0.0 for token in range(len(odds))])


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("top_k", [None, 1, 3])
@pytest.mark.parametrize("top_p", [1.0, 0.6, 0.01])
def test_probabilities_of_the_next_token_against_a_loop(
    temperature: float, top_k: int | None, top_p: float
) -> None:
    logits = np.random.default_rng(0).normal(size=(4, 7))
    probabilities = language.probabilities(logits, temperature, top_k, top_p)
    expected = [probabilities_by_loop(row, temperature, top_k, top_p) for row in logits]
    np.testing.assert_allclose(probabilities, expected, atol=1e-12)
    assert (language.probabilities(logits, 0.0).argmax(-1) == logits.argmax(-1)).all()
    assert set(np.unique(language.probabilities(logits, 0.0))) == {0.0, 1.0}


@pytest.mark.parametrize("temperature", [1e-320, 1e-9])
def test_a_temperature_next_to_zero_leaves_the_likeliest_token(temperature: float) -> None:
    logits = np.random.default_rng(0).normal(size=(4, 7))
    logits[:, 0] = -np.inf
    np.testing.assert_allclose(
        language.probabilities(logits, temperature), language.probabilities(logits, 0.0)
    )
