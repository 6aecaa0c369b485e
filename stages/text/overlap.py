"""How alike texts and their references are: BLEU, chrF, ROUGE and exact matches, with intervals.

Every score is made of statistics of single texts that are whole numbers and are added up, so that
the scores of any choice of texts, such as a resample, cost one sum.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from sacrebleu.metrics.base import Metric

# Lin, "ROUGE: a package for automatic evaluation of summaries", 2004.
ROUGE = ("rouge_1", "rouge_2", "rouge_l")
NAMES = ("bleu", "chrf", *ROUGE, "exact_match")
RESAMPLES, INTERVAL = 1000, (0.025, 0.975)
# Whole numbers are the same sum in any order, and F1 is one in this unit.
_UNIT = 2.0**-30


@dataclass(frozen=True)
class Counts:
    """What the scores of some texts are made of.

    Attributes:
        statistics: (texts, numbers) int64 for each score that was asked for.
        texts: how many there are.
    """

    statistics: Mapping[str, np.ndarray]
    texts: int

    def scores(self) -> dict[str, float]:
        """Returns the score of all texts together; NaN if there are none."""
        return {
            name: _score(name, numbers.sum(0), self.texts)
            for name, numbers in self.statistics.items()
        }

    def intervals(self) -> dict[str, float]:
        """Returns the bounds of each score's 95 % interval, such as `bleu_low` and `bleu_high`:
        quantiles over 1,000 draws of as many texts, with replacement and from a fixed seed (Koehn,
        "Statistical significance tests for machine translation evaluation", 2004)."""
        names = list(self.statistics)
        if not self.texts:
            return {f"{name}_{end}": float("nan") for name in names for end in ("low", "high")}
        everything = np.concatenate(list(self.statistics.values()), 1).astype(np.float64)
        ends = np.cumsum([numbers.shape[1] for numbers in self.statistics.values()])
        rng, totals = np.random.default_rng(0), []
        for _ in range(RESAMPLES):
            drawn = np.bincount(rng.integers(0, self.texts, self.texts), minlength=self.texts)
            totals.append(drawn @ everything)
        found: dict[str, float] = {}
        for name, sums in zip(names, np.split(np.stack(totals), ends[:-1], axis=1), strict=True):
            resampled = [_score(name, total, self.texts) for total in sums]
            low, high = np.quantile(resampled, INTERVAL)
            found |= {f"{name}_low": float(low), f"{name}_high": float(high)}
        return found

    def by_group(self, groups: np.ndarray, count: int) -> dict[str, list[float]]:
        """Returns each score of each group of texts; NaN for a group without texts.

        Args:
            groups: (texts,) int, below `count`.
        """
        sizes = np.bincount(groups, minlength=count)
        found = {}
        for name, numbers in self.statistics.items():
            sums = np.zeros((count, numbers.shape[1]), np.int64)
            np.add.at(sums, groups, numbers)
            found[name] = [
                _score(name, total, int(size)) for total, size in zip(sums, sizes, strict=True)
            ]
        return found


def count(
    outputs: Sequence[str], references: Sequence[Sequence[str]], names: Sequence[str] = NAMES
) -> Counts:
    """Counts what outputs and their references share.

    Args:
        references: of each output, one or more; empty ones do not count, unless a text has no
            other.
        names: of the scores.
    """
    filled = [[each for each in own if each.strip()] or [""] for own in references]
    pairs = list(zip(outputs, filled, strict=True))
    statistics: dict[str, np.ndarray] = {}
    tokens = {}
    if set(ROUGE) & set(names):
        # Texts stand here several times, as one word does in many texts.
        distinct = {text for output, own in pairs for text in (output, *own)}
        tokens = {text: _stems(text) for text in distinct}
    for name in names:
        if name in ("bleu", "chrf"):
            # One list of references for all texts after the other, as sacrebleu takes them.
            lists = list(zip_longest(*filled))
            rows = _metric(name)._extract_corpus_statistics(outputs, lists) if pairs else []
        elif name in ROUGE:
            measure = _MEASURES[name]
            best = (
                max(measure(tokens[output], tokens[each]) for each in own) for output, own in pairs
            )
            rows = [[round(f1 / _UNIT)] for f1 in best]
        else:
            rows = [[output.strip() in map(str.strip, own)] for output, own in pairs]
        statistics[name] = np.array(rows, np.int64).reshape(len(pairs), -1 if pairs else 1)
    return Counts(statistics, len(pairs))


def scores(outputs: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, float]:
    """Returns how alike outputs and their references are, and the 95 % interval of each score.

    `bleu` and `chrf` (0 to 100) are those of sacrebleu (Post, "A call for clarity in reporting BLEU
    scores", 2018); `rouge_1`, `rouge_2` and `rouge_l` (0 to 100) the mean F1 of stems that both
    sides have, of pairs of them and of their longest common subsequence, with the best of several
    references; `exact_match` the share of outputs that are one of their references. Each has
    `_low` and `_high` beside it.

    Args:
        references: of each output, one or more; empty ones do not count.
    """
    counts = count(outputs, references)
    return counts.scores() | counts.intervals()


def signatures(references: Sequence[Sequence[str]] = ()) -> dict[str, str]:
    """Returns what has to be known to compute each score anew: of `bleu` and `chrf` sacrebleu's
    signatures, and one like them of `rouge`.

    Args:
        references: of each text; without any, one each.
    """
    import nltk

    numbers = {sum(bool(each.strip()) for each in own) or 1 for own in references} or {1}
    number = numbers.pop() if len(numbers) == 1 else -1
    found = {}
    for name in ("bleu", "chrf"):
        metric = _metric(name)
        metric.num_refs = number
        found[name] = str(metric.get_signature())
    found["rouge"] = (
        f"nrefs:{'var' if number == -1 else number}|score:f1|case:lc|tok:a-z0-9"
        f"|stem:porter, of words longer than 3|version:nltk {nltk.__version__}"
    )
    return found


@cache
def _metric(name: str) -> "Metric":
    from sacrebleu.metrics import BLEU, CHRF

    # Texts that look as if they were tokenized may well be so on both sides.
    return BLEU(force=True) if name == "bleu" else CHRF()


def _score(name: str, total: np.ndarray, texts: int) -> float:
    """Returns a score by the sum of its statistics over some texts."""
    if not texts:
        return float("nan")
    if name in ("bleu", "chrf"):
        numbers = [int(number) for number in total]
        return float(_metric(name)._compute_score_from_stats(numbers).score)
    return float(total[0]) / texts * (100 * _UNIT if name in ROUGE else 1)


@cache
def _stem(word: str) -> str:
    return _stemmer().stem(word) if len(word) > 3 else word


@cache
def _stemmer() -> Any:
    # It takes time to import, and only ROUGE needs it.
    from nltk.stem.porter import PorterStemmer

    return PorterStemmer()


def _stems(text: str) -> list[str]:
    """Returns the tokens that ROUGE compares, as the package rouge-score makes them."""
    return [_stem(word) for word in re.findall("[a-z0-9]+", text.lower())]


def _f1(common: int, one: int, other: int) -> float:
    return 2 * common / (one + other) if common else 0.0


def _ngram_f1(output: list[str], reference: list[str], size: int) -> float:
    one, other = (
        Counter(zip(*(tokens[start:] for start in range(size)), strict=False))
        for tokens in (output, reference)
    )
    return _f1((one & other).total(), one.total(), other.total())


def _subsequence_f1(output: list[str], reference: list[str]) -> float:
    return _f1(longest_common(output, reference), len(output), len(reference))


_MEASURES = {
    "rouge_1": lambda output, reference: _ngram_f1(output, reference, 1),
    "rouge_2": lambda output, reference: _ngram_f1(output, reference, 2),
    "rouge_l": _subsequence_f1,
}


def longest_common(one: Sequence[str], other: Sequence[str]) -> int:
    """Returns the length of the longest common subsequence (Hyyrö, "Bit-parallel LCS-length
    computation revisited", 2004): a bit for each token of `one` that is 0 where the row of the
    table rises."""
    places: dict[str, int] = {}
    for place, token in enumerate(one):
        places[token] = places.get(token, 0) | 1 << place
    full = (1 << len(one)) - 1
    row = full
    for token in other:
        equal = row & places.get(token, 0)
        row = ((row + equal) | (row - equal)) & full
    return len(one) - row.bit_count()
