"""What is drawn for tasks of every kind."""

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from stages import drawing
from stages.files import pictures


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("zażółć $x^$ Ελλάδα", "zażółć $x^$ Ελλάδα"),
        ("你好\n", r"\u4f60\u597d\n"),
        ("a\x1bb👩", r"a\x1bb\U0001f469"),
        ("x" * 500, "x" * 109 + "…"),
    ],
)
def test_what_cannot_be_drawn_is_shown_as_an_escape(text: str, shown: str) -> None:
    assert drawing.shown(text) == shown


@pytest.mark.parametrize("losses", [[0.0, 0.0], [1.0, 0.0], [-1.0, -2.0]])
def test_a_learning_curve_is_drawn_whatever_the_sign_of_its_losses(
    losses: list[float], tmp_path: Path
) -> None:
    curve = pd.DataFrame({"member": 1, "epoch": [1, 2], "train": losses, "validation": losses})
    with warnings.catch_warnings(action="error"):
        pictures.write(
            tmp_path / "x.png",
            "losses",
            lambda axes: drawing.draw_learning_curve(axes, curve, [2]),
        )


def test_the_epoch_whose_weights_were_kept_is_marked_for_each_member() -> None:
    from matplotlib.figure import Figure

    axes = Figure().subplots()
    curve = pd.DataFrame(
        {
            "member": [1, 1, 2, 2],
            "epoch": [1, 2, 1, 2],
            "train": [4.0, 3.0, 4.0, 3.0],
            "validation": [2.0, 5.0, 6.0, 1.0],
        }
    )
    drawing.draw_learning_curve(axes, curve, [1, 2])
    marks = [line.get_xydata().tolist() for line in axes.lines if line.get_marker() == "o"]
    assert marks == [[[1, 2]], [[2, 1]]]
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ["train", "validation", "kept"]


def test_the_network_stands_out_among_the_methods() -> None:
    from matplotlib.figure import Figure

    axes = Figure().subplots()
    table = pd.DataFrame({"method": ["ridge", "model"], "x": [1, 1], "y": [2.0, 1.0]})
    drawing.draw_methods(axes, table, "x", "y", "steps", "error", logarithmic=True)
    ridge, network = axes.lines
    assert (ridge.get_label(), network.get_label()) == ("ridge", "network")
    assert network.get_color() == drawing.COLOURS["network"] != ridge.get_color()
    assert network.get_zorder() > ridge.get_zorder()
    assert axes.get_yscale() == "log"


@pytest.mark.parametrize(("values", "scale"), [([0.0, 2.0], "log"), ([0.0, -1.0], "linear")])
def test_an_axis_is_logarithmic_where_a_number_is_above_0(values: list[float], scale: str) -> None:
    from matplotlib.figure import Figure

    axes = Figure().subplots()
    axes.plot(np.arange(2), values)
    drawing.make_logarithmic(axes)
    assert axes.get_yscale() == scale
