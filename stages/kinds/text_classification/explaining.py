"""A trained network's answers for texts, and what each token does to them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from stages.kinds.text_classification import PARTS, Examples, measuring, tokenize_text
from stages.kinds.text_classification.texts import Texts
from stages.text import tokens

# Of a longer text, so many runs of tokens are left out, one after the other, instead of each token.
RUNS = 256


@dataclass(frozen=True)
class Answered:
    """The answer for a text.

    Attributes:
        probabilities: of each label. label: the likeliest.
        effects: `place`, `token`, `effect` of the tokens that moved the answer most.
        unknown: words that are unknown to training. left_out: how many tokens were not read.
    """

    text: str
    label: str
    probabilities: dict[str, float]
    effects: list[dict[str, Any]]
    unknown: list[str]
    left_out: int

    def line(self) -> dict[str, Any]:
        """Returns the answer as JSON has it."""
        rounded = {label: round(value, 6) for label, value in self.probabilities.items()}
        return {
            "text": self.text,
            "label": self.label,
            "probabilities": rounded,
            "effects": self.effects,
            "unknown": self.unknown,
            "tokens_left_out": self.left_out,
        }


class Classifier:
    """A trained network, with the tokenizer and the classes of its examples."""

    def __init__(self, network: Any, examples: Examples, tokenizer: tokens.Tokenizer) -> None:
        self._network, self._examples, self._tokenizer = network, examples, tokenizer

    def answers(self, texts: Sequence[str], effects: int) -> list[Answered]:
        """Returns the answers for texts, each with up to so many `effects`: by how much the
        log-odds of the answer are higher than without a token.

        Each token is left out in turn, so that nothing has to stand for a missing one, as
        integrated gradients need; of a long text, runs of tokens.
        """
        read = [self._read(text) for text in texts]
        runs = [
            np.array_split(np.arange(len(own.ids)), min(len(own.ids), RUNS)) if effects else []
            for own in read
        ]
        without = [
            _without(own.ids, run) for own, places in zip(read, runs, strict=True) for run in places
        ]
        logs = self._logs([*(own.ids for own in read), *without])
        ends = len(texts) + np.cumsum([0, *map(len, runs)])
        answers = []
        for number, (text, own) in enumerate(zip(texts, read, strict=True)):
            answer = int(logs[number].argmax())
            changed = logs[ends[number] : ends[number + 1]]
            moved = _log_odds(logs[number][None], answer) - _log_odds(changed, answer)
            answers.append(
                Answered(
                    text,
                    self._examples.classes[answer],
                    dict(zip(self._examples.classes, np.exp(logs[number]).tolist(), strict=True)),
                    _largest(moved, runs[number], own.names, effects),
                    own.unknown,
                    own.left_out,
                )
            )
        return answers

    def _read(self, text: str) -> "_Read":
        """Returns what the network reads of a text."""
        found = tokenize_text.encode([text], self._tokenizer)
        kept = tokenize_text.kept(found.lengths, self._examples.longest, self._examples.cut)
        names = np.array([self._tokenizer.token(number) for number in found.ids], object)
        names[found.ids == tokens.UNKNOWN] = found.unknown
        unknown = [name for name in dict.fromkeys(found.unknown) if name]
        return _Read(found.ids[kept], names[kept], unknown, int((~kept).sum()))

    def _logs(self, ids: Sequence[np.ndarray]) -> np.ndarray:
        """Returns the logarithm of the probability of each class, (texts, classes), of texts as
        their tokens."""
        from stages.networks.prediction import predict

        lengths = np.array([len(own) for own in ids])
        examples = replace(
            self._examples,
            texts={**dict.fromkeys(PARTS, 0), "test": len(ids)},
            token_ids=np.concatenate(ids),
            starts=np.cumsum(lengths) - lengths,
            lengths=lengths,
            labels=np.full(len(ids), -1),
        )
        return measuring.log_probabilities(
            predict(self._network, Texts(examples, np.arange(len(ids))))
        )


@dataclass(frozen=True)
class _Read:
    """What a network reads of a text: `ids` and `names` of the tokens, (tokens,); and as in
    `Answered`."""

    ids: np.ndarray
    names: np.ndarray
    unknown: list[str]
    left_out: int


def _without(ids: np.ndarray, run: np.ndarray) -> np.ndarray:
    """Returns a text without some tokens; without all, an unknown token."""
    return np.delete(ids, run) if len(run) < len(ids) else np.array([tokens.UNKNOWN])


def _largest(
    effects: np.ndarray, runs: Sequence[np.ndarray], names: np.ndarray, count: int
) -> list[dict[str, Any]]:
    """Returns `place`, `token` and `effect` of the largest of the effects of some runs of
    tokens."""
    return [
        {
            "place": int(runs[number][0]) + 1,
            "token": " ".join(names[runs[number]]),
            "effect": round(float(effects[number]), 4),
        }
        for number in np.argsort(-np.abs(effects), kind="stable")[:count]
    ]


def _log_odds(logs: np.ndarray, answer: int) -> np.ndarray:
    """Returns log p - log(1 - p) of a class, (texts,), from the logarithms of all probabilities."""
    others = np.delete(logs, answer, axis=1)
    highest = others.max(1)
    return logs[:, answer] - highest - np.log(np.exp(others - highest[:, None]).sum(1))
