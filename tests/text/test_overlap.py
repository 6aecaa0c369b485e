"""Scores of texts: against sacrebleu and its command line, values of the package rouge-score, and
loops."""

import itertools
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import sacrebleu

from stages.text import overlap

WORDS = ["the", "a", "cat", "dogs", "sat", "on", "mats", ",", ".", "!", "don't", "Über", "x-ray"]
# Outputs, references, and ROUGE-1, -2, -L F1 by rouge-score 0.1.2 with use_stemmer (score_multi).
GOLDEN: list[tuple[str, list[str], list[float]]] = [
    ("the cat sat on the mat", ["the cat was on the mat"], [83.333333, 60, 83.333333]),
    ("the the the cat cat", ["the cat the cat the"], [100, 25, 60]),
    ("w1 w2 w3 w4 w1 w2", ["w2 w1 w4 w3 w2 w1", "w1 w2 w1 w2"], [100, 50, 80]),
    ("", ["nothing is here"], [0, 0, 0]),
    ("...", ["dots"], [0, 0, 0]),
    ("a", ["a"], [100, 0, 100]),
    (
        "running dogs quickly played, dying happily",
        ["The dog runs and plays quickly; it died happy"],
        [66.666667, 0, 40],
    ),
    (
        "organization organizes flies days tied enjoys generously",
        ["organizing organ fly daily ties enjoy generous"],
        [71.428571, 50, 71.428571],
    ),
    (
        "skies sky skiing news inning proceed exceed",
        ["sky ski new innings proceeding exceeding"],
        [76.923077, 54.545455, 76.923077],
    ),
    (
        "Returns the mean of all values.",
        [
            "Return the mean value",
            "Computes an average of all the values",
            "the mean of values",
        ],
        [80, 50, 80],
    ),
    (
        "Ein Mädchen läuft über die Straße",
        ["Ein Madchen lauft uber die Strasse", "Das Mädchen läuft"],
        [57.142857, 50, 57.142857],
    ),
    (
        "İstanbul’s naïve café №5 ½ x²",
        ["istanbul s naive cafe no 5 1 2 x 2"],
        [33.333333, 0, 33.333333],
    ),
    (
        "snake_case_names are CamelCased in don't",
        ["Snake case names, camelcased: don t are in"],
        [100, 42.857143, 75],
    ),
]


def random_case(texts: int, most: int = 1) -> tuple[list[str], list[list[str]]]:
    """Returns random outputs, and up to `most` references of each, near to them."""
    rng = np.random.default_rng(texts)
    outputs, references = [], []
    for _ in range(texts):
        words = rng.choice(WORDS, rng.integers(3, 12))
        outputs.append(" ".join(words))
        own = []
        for _ in range(rng.integers(1, most + 1)):
            changed = np.where(rng.random(len(words)) < 0.2, rng.choice(WORDS), words)
            own.append(" ".join(changed[: rng.integers(2, 13)]))
        references.append(own)
    return outputs, references


@pytest.mark.parametrize(("output", "references", "expected"), GOLDEN)
def test_rouge_is_that_of_rouge_score(
    output: str, references: list[str], expected: list[float]
) -> None:
    found = overlap.count([output], [references], overlap.ROUGE).scores()
    assert [found[name] for name in overlap.ROUGE] == pytest.approx(expected, abs=2e-6)


def test_rouge_of_texts_is_the_mean() -> None:
    outputs, references, expected = zip(*GOLDEN, strict=True)
    found = overlap.scores(outputs, references)
    rouge = [found[name] for name in overlap.ROUGE]
    np.testing.assert_allclose(rouge, np.mean(expected, 0), atol=2e-6)
    assert found["exact_match"] == pytest.approx(1 / len(GOLDEN))


@pytest.mark.parametrize("most", [1, 3])
def test_bleu_and_chrf_are_those_of_sacrebleu(most: int) -> None:
    outputs, references = random_case(60, most)
    lists = list(itertools.zip_longest(*references))
    found = overlap.count(outputs, references, ["chrf", "bleu"]).scores()
    assert found == {
        "bleu": sacrebleu.corpus_bleu(outputs, lists).score,
        "chrf": sacrebleu.corpus_chrf(outputs, lists).score,
    }
    padded = [["", *own, " "] for own in references]
    assert overlap.count(outputs, padded, ["chrf", "bleu"]).scores() == found
    if most == 1:
        assert overlap.signatures(references) == overlap.signatures()
    else:
        assert all("nrefs:var|" in text for text in overlap.signatures(references).values())


def test_scores_and_signatures_are_those_of_sacrebleus_command_line(tmp_path: Path) -> None:
    outputs, references = random_case(40, 2)
    references = [[own[0], own[-1]] for own in references]
    names = ["outputs", "first", "second"]
    texts = [outputs, *zip(*references, strict=True)]
    for name, lines in zip(names, texts, strict=True):
        (tmp_path / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    command = [sys.executable, "-m", "sacrebleu", "first", "second", "-i", "outputs"]
    options = ["-m", "bleu", "chrf", "-f", "text", "-w", "6"]
    done = subprocess.run(
        [*command, *options], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    found, signatures = overlap.scores(outputs, references), overlap.signatures(references)
    bleu, chrf = map(str.strip, done.stdout.splitlines())
    assert bleu.startswith(f"BLEU|{signatures['bleu']} = {found['bleu']:.6f} ")
    assert chrf.startswith(f"chrF2|{signatures['chrf']} = {found['chrf']:.6f}")


def test_intervals_are_those_of_resampled_texts() -> None:
    outputs, references = random_case(50, 2)
    found = overlap.scores(outputs, references)
    rng = np.random.default_rng(0)
    resampled: dict[str, list[float]] = {name: [] for name in overlap.NAMES}
    for _ in range(30):
        drawn = rng.integers(0, 50, 50)
        scores = overlap.count([outputs[i] for i in drawn], [references[i] for i in drawn]).scores()
        for name, score in scores.items():
            resampled[name].append(score)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(overlap, "RESAMPLES", 30)
        again = overlap.scores(outputs, references)
    for name, values in resampled.items():
        low, high = np.quantile(values, [0.025, 0.975])
        assert again[f"{name}_low"] == pytest.approx(low)
        assert again[f"{name}_high"] == pytest.approx(high)
        assert found[f"{name}_low"] < found[name] < found[f"{name}_high"]
    assert found == overlap.scores(outputs, references)


def test_scores_of_groups_are_those_of_their_texts_alone() -> None:
    outputs, references = random_case(30)
    groups = np.arange(30) ** 2 % 7
    found = overlap.count(outputs, references).by_group(groups, 7)
    for group in range(7):
        own = np.flatnonzero(groups == group)
        alone = overlap.count([outputs[i] for i in own], [references[i] for i in own]).scores()
        together = {name: values[group] for name, values in found.items()}
        assert together == pytest.approx(alone, nan_ok=True)
    assert np.isnan(found["bleu"][3])
    assert not np.isnan(found["bleu"][2])


def test_texts_without_a_word_have_scores() -> None:
    found = overlap.scores(["", "a b c d", " "], [["a b c d"], [""], ["", ""]])
    assert found["bleu"] == found["rouge_1"] == 0
    assert found["exact_match"] == pytest.approx(1 / 3)
    assert np.isfinite(list(found.values())).all()


def test_the_longest_common_subsequence_is_that_of_the_table() -> None:
    rng = np.random.default_rng(3)
    for _ in range(60):
        one, other = (rng.choice(list("abcd"), rng.integers(0, 90)).tolist() for _ in range(2))
        table = np.zeros((len(one) + 1, len(other) + 1), int)
        for i, j in np.ndindex(len(one), len(other)):
            table[i + 1, j + 1] = (
                table[i, j] + 1 if one[i] == other[j] else max(table[i, j + 1], table[i + 1, j])
            )
        assert overlap.longest_common(one, other) == table[-1, -1]
