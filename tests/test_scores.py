"""Scores in either direction: skill and the best baseline, worked by hand; and scores that do not
exist."""

import math

import pytest

from stages.baseline import check_score
from stages.errors import InputError
from stages.kinds.data import Baselines
from stages.scores import Score, numbers

ERROR = Score()
ACCURACY = Score("higher", perfect=1.0)
# A correlation of -1 is perfect here, and lower is better.
NEGATIVE = Score("lower", perfect=-1.0)
NAN = math.nan


@pytest.mark.parametrize(
    ("score", "network", "baseline", "expected"),
    [
        (ERROR, 1.0, 2.0, 0.5),
        (ERROR, 2.0, 1.0, -1.0),
        (ERROR, 2.0, 2.0, 0.0),
        (ERROR, 0.0, 2.0, 1.0),
        (ACCURACY, 0.9, 0.6, 0.75),
        (ACCURACY, 0.6, 0.9, -3.0),
        (ACCURACY, 1.0, 0.6, 1.0),
        (NEGATIVE, -0.5, 0.0, 0.5),
    ],
)
def test_skill_is_the_share_of_the_baselines_error_that_is_gone(
    score: Score, network: float, baseline: float, expected: float
) -> None:
    assert score.skill(network, baseline) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("score", "network", "baseline"),
    [
        (ERROR, 1.0, 0.0),
        (ERROR, 0.0, 0.0),
        (ACCURACY, 0.9, 1.0),
        (ERROR, NAN, 1.0),
        (ERROR, math.inf, 1.0),
        (ERROR, 1.0, NAN),
        (ACCURACY, NAN, NAN),
    ],
)
def test_there_is_no_skill_against_a_perfect_baseline_or_without_scores(
    score: Score, network: float, baseline: float
) -> None:
    assert score.skill(network, baseline) is None


@pytest.mark.parametrize(
    ("score", "values", "best"),
    [
        (ERROR, {"a": 2.0, "b": 1.0, "c": 3.0}, "b"),
        (ACCURACY, {"a": 0.2, "b": 0.1, "c": 0.3}, "c"),
        (ERROR, {"a": 2.0, "b": 1.0, "c": 1.0}, "b"),
        (ACCURACY, {"a": 0.3, "b": 0.1, "c": 0.3}, "a"),
        (ERROR, {"a": NAN, "b": 1e300}, "b"),
        (ACCURACY, {"a": NAN, "b": -1e300}, "b"),
        (ERROR, {"a": NAN, "b": NAN}, "a"),
    ],
)
def test_the_best_method_is_the_first_of_equal_ones_and_never_one_without_a_score(
    score: Score, values: dict[str, float], best: str
) -> None:
    assert score.best(values) == best


def test_numbers_are_the_scores_that_are_no_lists_and_null_is_none_of_them() -> None:
    scores = numbers({"mae": 1.5, "mase": None, "by_horizon": {"mae": [1.0, 2.0]}})  # type: ignore[dict-item]
    assert scores["mae"] == 1.5
    assert math.isnan(scores["mase"])
    assert set(scores) == {"mae", "mase"}


BASELINES = Baselines({"first": {"mae": 1.0, "mase": NAN}, "second": {"mae": 2.0, "mase": NAN}})
SCORES = {"mae": Score(), "mase": Score(), "owa": Score(needs="naive2 among baseline.methods")}


def test_a_task_can_be_judged_by_a_score_that_one_baseline_has() -> None:
    check_score(BASELINES, "mae", SCORES)
    one_has_it = Baselines({"first": {"mase": NAN}, "second": {"mase": 1.0}})
    check_score(one_has_it, "mase", SCORES)


@pytest.mark.parametrize(
    ("score", "reason"),
    [
        ("mase", "one of mae, received 'mase', which has no scale on this data, or no value"),
        ("owa", "one of mae, received 'owa', which needs naive2 among baseline.methods"),
    ],
)
def test_a_score_that_no_baseline_has_is_an_error_that_says_why(score: str, reason: str) -> None:
    with pytest.raises(InputError, match=f"^evaluate.score: expected a score .*{reason}$"):
        check_score(BASELINES, score, SCORES)
