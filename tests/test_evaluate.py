"""What an evaluation says of a network beside its baselines, on test and on validation."""

import math
from typing import Any

import pandas as pd
import pytest

from stages.evaluate import compared, loss, scores_of
from stages.files.models import TrainedModel
from stages.kinds.data import Evaluation
from stages.scores import Score
from stages.summarize import rounded

BASELINES: Any = {
    "first": {"mae": 2.0, "validation": {"mae": 1.0}, "by_horizon": {"mae": [2.0]}},
    "second": {"mae": 1.0, "validation": {"mae": 4.0}, "by_horizon": {"mae": [1.0]}},
}


ABOUT = TrainedModel(7, 3, [2], {"correction": 0.5}, True, "")


def test_scores_of_parts_stand_beside_those_of_the_whole() -> None:
    whole: Any = {"scores": {"accuracy": 0.75}, "curve": pd.DataFrame(), "title": ""}
    plain = {"accuracy": 0.75, "correction": 0.5, "parameters": 7, "epochs": 3}
    assert scores_of(Evaluation(**whole), ABOUT) == plain
    parts = {"good": {"f1": 2 / 3}, "bad": {"f1": 0.8}}
    found = scores_of(
        Evaluation(**whole, parts=parts, validation={"accuracy": 1.0}, refitted={"accuracy": 0.5}),
        ABOUT,
    )
    assert found == {
        **plain,
        "validation": {"accuracy": 1.0},
        "refitted": {"accuracy": 0.5},
        "parts": parts,
    }
    compare = compared(found, {"most_frequent": {"accuracy": 0.5}}, "accuracy", Score("higher", 1))
    assert rounded(compare)["model"]["parts"]["good"] == {"f1": 0.66667}


def test_the_best_baseline_on_validation_need_not_be_that_on_test() -> None:
    model = {"mae": 0.5, "epochs": 3, "validation": {"mae": 1.5}}
    assert compared(model, BASELINES, "mae", Score()) == {
        "model": model,
        "baseline": {
            "first": {"mae": 2.0, "validation": {"mae": 1.0}},
            "second": {"mae": 1.0, "validation": {"mae": 4.0}},
        },
        "best_baseline": "second",
        "skill": 0.5,
        "validation_best_baseline": "first",
        "validation_skill": -0.5,
    }


@pytest.mark.parametrize(
    ("model", "baselines"),
    [
        ({"mae": 0.5}, BASELINES),
        ({"mae": 0.5, "validation": {"mae": 1.5}}, {"first": {"mae": 1.0}}),
        ({"mae": 0.5, "validation": {"rmse": 1.5}}, BASELINES),
    ],
)
def test_there_is_no_skill_on_validation_where_one_side_has_no_scores(
    model: dict[str, Any], baselines: Any
) -> None:
    scores = compared(model, baselines, "mae", Score())
    assert "validation_skill" not in scores
    assert scores["skill"] == 0.5


def test_a_baseline_whose_score_does_not_exist_is_not_the_best_on_validation() -> None:
    baselines: Any = {
        "first": {"mae": 1.0, "validation": {"mae": None}},
        "second": {"mae": 1.0, "validation": {"mae": 2.0}},
    }
    model = {"mae": 1.0, "validation": {"mae": 1.0}}
    scores = compared(model, baselines, "mae", Score())
    assert (scores["validation_best_baseline"], scores["validation_skill"]) == ("second", 0.5)
    assert math.isnan(scores["baseline"]["first"]["validation"]["mae"])


@pytest.mark.parametrize("skill", [None, 0.0, 0.3])
def test_nothing_is_said_of_a_network_that_does_not_lose(skill: float | None) -> None:
    assert loss({"validation_best_baseline": "ridge", "validation_skill": skill}) == ""
    assert loss({"skill": -1.0}) == ""


def test_a_network_that_loses_on_validation_is_told_where_to_read() -> None:
    told = loss({"validation_best_baseline": "ridge", "validation_skill": -0.123})
    assert told == (
        "the network loses to ridge on validation (skill -0.12): README.md, section "
        '"When the network loses", says what to try'
    )
