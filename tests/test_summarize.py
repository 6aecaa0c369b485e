"""The summary of all tasks."""

from typing import Any

import pytest

from stages import summarize

SCORES: dict[str, Any] = {
    "model": {"mase": 1.5, "coverage_95": 0.9, "width_95": 7.0},
    "baseline": {"ridge": {"mase": 3.0}},
    "best_baseline": "ridge",
    "skill": 0.5,
}


def test_a_task_is_a_line_of_its_score_and_its_best_baseline() -> None:
    summary = {"x": summarize.headline(SCORES, "mase", "lower", [])}
    assert summarize.table(summary)[1].split() == ["x", "mase", "lower", "1.5", "3", "0.5", "ridge"]


def test_the_line_tells_that_a_higher_score_is_better() -> None:
    scores = {
        "model": {"accuracy": 0.9},
        "baseline": {"majority": {"accuracy": 0.6}},
        "best_baseline": "majority",
        "skill": 0.75,
    }
    summary = {"x": summarize.headline(scores, "accuracy", "higher", [])}
    assert summarize.table(summary)[1].split() == [
        *("x", "accuracy", "higher", "0.9", "0.6", "0.75", "majority")
    ]


def test_headlines_are_the_other_scores_that_exist_in_their_order() -> None:
    entry = summarize.headline(SCORES, "mase", "lower", ["width_95", "coverage_95", "owa"])
    assert list(entry.items()) == [
        ("mase", 1.5),
        ("direction", "lower"),
        ("best_baseline", "ridge"),
        ("ridge_mase", 3.0),
        ("skill", 0.5),
        ("width_95", 7.0),
        ("coverage_95", 0.9),
    ]


def test_scores_that_do_not_exist_are_left_blank() -> None:
    scores = {
        "model": {"mase": None},
        "baseline": {"ridge": {"mase": None}},
        "best_baseline": "ridge",
        "skill": None,
    }
    summary = {"x": summarize.headline(scores, "mase", "lower", [])}
    assert summarize.table(summary)[1].split() == ["x", "mase", "lower", "ridge"]


def test_numbers_are_rounded_to_five_digits_at_any_depth() -> None:
    scores = {"model": {"mae": 0.123456789, "epochs": 1234567, "owa": None}, "skill": -98765.4321}
    assert summarize.rounded(scores) == {
        "model": {"mae": 0.12346, "epochs": 1234567, "owa": None},
        "skill": -98765.0,
    }


@pytest.mark.parametrize(
    ("skill", "mark"), [(-0.125, "ridge  ! skill on validation -0.125"), (0.0, "ridge")]
)
def test_a_task_whose_network_loses_on_validation_is_marked(skill: float, mark: str) -> None:
    entry = summarize.headline({**SCORES, "validation_skill": skill}, "mase", "lower", [])
    assert entry["validation_skill"] == skill
    assert summarize.table({"x": entry})[1].endswith(f"0.5  {mark}")
