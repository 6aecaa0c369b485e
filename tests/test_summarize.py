"""The summary of all tasks."""

from stages import summarize

SCORES = {
    "model": {"mase": 1.5, "coverage_95": 0.9},
    "baseline": {"ridge": {"mase": 3.0}},
    "best_baseline": "ridge",
    "skill": 0.5,
}


def test_a_task_is_a_line_of_its_score_and_its_best_baseline() -> None:
    summary = {"x": summarize.headline(SCORES, "mase", "lower")}
    assert summarize.table(summary)[1].split() == ["x", "mase", "lower", "1.5", "3", "0.5", "ridge"]


def test_scores_that_do_not_exist_are_left_blank() -> None:
    scores = {
        "model": {"mase": None},
        "baseline": {"ridge": {"mase": None}},
        "best_baseline": "ridge",
        "skill": None,
    }
    summary = {"x": summarize.headline(scores, "mase", "lower")}
    assert summarize.table(summary)[1].split() == ["x", "mase", "lower", "ridge"]
