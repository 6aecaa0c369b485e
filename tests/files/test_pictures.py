"""Pictures: the same bytes whatever a user's own settings are, and every text as it is written."""

import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from stages import drawing
from stages.files import pictures
from stages.kinds.language_modelling import predict
from tests.conftest import ROOT

TEXTS = [
    "a $x^$ b",
    "$\\frac{",
    "_",
    "你好",
    "हिन्दी",
    "\n",
    "\x1b[2J",
    "👩",
    "\ufffd",
    "x" * 500,
    "",
    " ",
    "\\$",
    "٣",
    "A\u0301",
]
DRAW = """
import sys
from pathlib import Path
from tests.files.test_pictures import draw_curves
from stages.files import pictures
pictures.write(Path(sys.argv[1]), "a picture", draw_curves)
"""
SETTINGS = """
lines.linewidth: 9
savefig.facecolor: red
font.family: serif
text.usetex: True
savefig.bbox: tight
backend: svg
"""


def draw_curves(axes: Any) -> None:
    """Draws a curve for each text."""
    curves = pd.concat(
        [pd.DataFrame({"method": text, "x": [1, 2], "y": [0.1, 2]}) for text in TEXTS]
    )
    drawing.draw_methods(axes, curves, "x", "y", "$x^$", "$", logarithmic=True)


def draw_bars(axes: Any) -> None:
    """Draws a bar for each text."""
    probabilities = np.linspace(0.2, 0.1, len(TEXTS))
    rows = pd.DataFrame({"prompt": "x", "token": TEXTS, "probability": probabilities})
    predict.draw(axes, rows)


@pytest.mark.slow
def test_a_users_own_settings_change_nothing(tmp_path: Path, environment: dict[str, str]) -> None:
    drawn = []
    for name, settings, backend in (
        ("plain", "", "agg"),
        ("own", SETTINGS, "agg"),
        ("backend", "", "no_such_backend"),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "matplotlibrc").write_text(settings)
        variables = {**environment, "PYTHONPATH": str(ROOT), "MPLBACKEND": backend}
        done = subprocess.run(
            [sys.executable, "-c", DRAW, "x.png"],
            cwd=tmp_path / name,
            env=variables,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        drawn.append((tmp_path / name / "x.png").read_bytes())
    assert drawn[0] == drawn[1] == drawn[2]


@pytest.mark.parametrize("title", TEXTS)
def test_every_title_is_drawn_as_it_is_written_and_without_a_warning(
    title: str, tmp_path: Path
) -> None:
    with warnings.catch_warnings(action="error"):
        pictures.write(tmp_path / "x.png", title, lambda axes: axes.plot([1, 2]))


@pytest.mark.parametrize("draw", [draw_curves, draw_bars])
def test_every_name_is_drawn_as_it_is_written_and_without_a_warning(
    draw: Callable[[Any], None], tmp_path: Path
) -> None:
    with warnings.catch_warnings(action="error"):
        pictures.write(tmp_path / "x.png", "$", draw)


def test_axes_stand_one_below_the_other_and_the_title_is_above_them(tmp_path: Path) -> None:
    drawn: list[Any] = []
    pictures.write(tmp_path / "x.png", "a title", drawn.append, drawn.append)
    upper, lower = drawn
    assert upper.get_position().y0 > lower.get_position().y1
    assert (upper.get_title(loc="left"), lower.get_title(loc="left")) == ("", "")
    assert upper.figure.get_suptitle() == "a title"


def test_a_picture_that_fails_leaves_the_one_before(tmp_path: Path) -> None:
    pictures.write(tmp_path / "x.png", "first", lambda axes: axes.plot([1, 2]))
    before = (tmp_path / "x.png").read_bytes()

    def fail(axes: Any) -> None:
        raise ValueError("no numbers")

    with pytest.raises(ValueError, match="no numbers"):
        pictures.write(tmp_path / "x.png", "second", fail)
    assert [path.name for path in tmp_path.iterdir()] == ["x.png"]
    assert (tmp_path / "x.png").read_bytes() == before
