"""The scores of predicted tags, by conlleval's rules, of the network and the baselines alike."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from stages.files.task_data import TaskData
from stages.kinds.sequence_tagging import Examples, Ingested
from stages.text import entities
from stages.text.entities import Counts, Entities


@dataclass(frozen=True)
class Judge:
    """What the tags of a split are compared with.

    Attributes:
        words: (tokens,) of the split. tags: (tokens,) ids of the right ones.
        names: of the ids. offsets: (sentences + 1,).
        training: the words of the entities in the training split.
    """

    words: list[str]
    tags: np.ndarray
    names: list[str]
    offsets: np.ndarray
    training: frozenset[str]

    def entities(self, tags: np.ndarray | None = None) -> Entities:
        """Returns the entities that tags mark, or the right ones."""
        return entities.find(self.tags if tags is None else tags, self.names, self.offsets)

    def scores(self, tags: np.ndarray) -> dict[str, float]:
        """Returns the scores of predicted tags, (tokens,) ids."""
        gold, predicted = self.entities(), self.entities(tags)
        counts = entities.count(gold, predicted)
        novelty = entities.count_by_novelty(gold, predicted, self.words, self.training)
        return {
            "f1": counts.f1,
            "precision": counts.precision,
            "recall": counts.recall,
            "token_accuracy": float((tags == self.tags).mean()),
            "f1_seen": _f1(novelty["seen"]),
            "f1_unseen": _f1(novelty["unseen"]),
        }

    def by_type(self, tags: np.ndarray) -> dict[str, dict[str, float]]:
        """Returns precision, recall, F1 and how many entities there are, for each type."""
        counts = entities.count_by_type(self.entities(), self.entities(tags))
        return {
            name: {
                "precision": each.precision,
                "recall": each.recall,
                "f1": each.f1,
                "entities": each.entities,
            }
            for name, each in counts.items()
        }

    def interval(self, tags: np.ndarray, samples: int, seed: int) -> Mapping[str, float]:
        """Returns the bounds of the 95 % interval of F1: quantiles over `samples` draws of as many
        sentences, with replacement (the percentile bootstrap; Efron, 1979)."""
        gold, predicted = self.entities(), self.entities(tags)
        right = entities.found(gold, predicted)
        sentences = len(self.offsets) - 1
        # Per sentence: right, there or predicted.
        counts = np.stack(
            [
                np.bincount(gold.texts[right], minlength=sentences),
                np.bincount(np.concatenate([gold.texts, predicted.texts]), minlength=sentences),
            ]
        )
        rng = np.random.default_rng(seed)
        drawn = np.stack(
            [counts[:, rng.integers(0, sentences, sentences)].sum(1) for _ in range(samples)]
        )
        f1 = 2 * drawn[:, 0] / np.maximum(drawn[:, 1], 1)
        low, high = np.quantile(f1, [0.025, 0.975])
        return {"f1_low": float(low), "f1_high": float(high)}


def judge(data: TaskData[Ingested, Examples], split: str) -> Judge:
    """Returns the judge of a split."""
    examples = data.examples
    words = data.ingested.read(["token"])["token"].tolist()
    train, train_offsets = examples.tokens_of("train")
    place, offsets = examples.tokens_of(split)
    known = entities.find(np.asarray(examples.tags[train]), examples.tag_names, train_offsets)
    return Judge(
        words=words[place],
        tags=np.asarray(examples.tags[place]),
        names=examples.tag_names,
        offsets=offsets,
        training=frozenset(entities.surfaces(known, words[train])),
    )


def _f1(counts: Counts) -> float:
    """Returns F1, which without any entity does not exist."""
    return counts.f1 if counts.entities or counts.predicted else float("nan")
