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
        """Returns the answers for texts, each with up to so many `effects`."""
        examples = self._examples
        found = tokenize_text.encode(texts, self._tokenizer)
        read = tokenize_text.kept(found.lengths, examples.longest, examples.cut)
        ends = np.cumsum(found.lengths)[:-1]
        ids = [
            part[kept]
            for part, kept in zip(np.split(found.ids, ends), np.split(read, ends), strict=True)
        ]
        names = np.array([self._tokenizer.token(number) for number in found.ids], object)
        names[found.ids == tokens.UNKNOWN] = found.unknown
        unknown = np.split(found.ids == tokens.UNKNOWN, ends)
        answers = []
        for text, own, part, kept, strange, logs in zip(
            texts,
            ids,
            np.split(names, ends),
            np.split(read, ends),
            unknown,
            self.logs(ids),
            strict=True,
        ):
            answer = int(logs.argmax())
            moved = self._effects(own, part[kept], answer, logs, effects) if effects else []
            probabilities = dict(zip(examples.classes, np.exp(logs).tolist(), strict=True))
            strangers = [name for name in dict.fromkeys(part[strange]) if name]
            answers.append(
                Answered(
                    text,
                    examples.classes[answer],
                    probabilities,
                    moved,
                    strangers,
                    int((~kept).sum()),
                )
            )
        return answers

    def logs(self, ids: Sequence[np.ndarray]) -> np.ndarray:
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

    def _effects(
        self, ids: np.ndarray, names: np.ndarray, answer: int, logs: np.ndarray, count: int
    ) -> list[dict[str, Any]]:
        """Returns the largest effects of a text's tokens: by how much the log-odds of the answer
        are higher than without the token.

        Each token is left out in turn, so that no embedding has to stand for a missing word, as
        integrated gradients need one; of a long text, runs of tokens.
        """
        places = np.array_split(np.arange(len(ids)), min(len(ids), RUNS))
        without = [np.delete(ids, run) for run in places]
        nothing = np.array([tokens.UNKNOWN])
        changed = self.logs([own if len(own) else nothing for own in without])
        effects = _log_odds(logs[None], answer) - _log_odds(changed, answer)
        largest = np.argsort(-np.abs(effects), kind="stable")[:count]
        return [
            {
                "place": int(places[number][0]) + 1,
                "token": " ".join(names[places[number]]),
                "effect": round(float(effects[number]), 4),
            }
            for number in largest
        ]


def _log_odds(logs: np.ndarray, answer: int) -> np.ndarray:
    """Returns log p - log(1 - p) of a class, (texts,), from the logarithms of all probabilities."""
    others = np.delete(logs, answer, axis=1)
    highest = others.max(1)
    return logs[:, answer] - highest - np.log(np.exp(others - highest[:, None]).sum(1))
