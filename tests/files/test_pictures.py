"""Pictures: the same bytes whatever a user's own settings are, and every text as it is written."""

import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from stages.files import pictures
from tests.conftest import ROOT

ROWS = pd.DataFrame(
    {
        "time": np.arange(6),
        "actual": [1.0, 2.0, 3.0, np.nan, np.nan, np.nan],
        "mean": [np.nan, np.nan, np.nan, 4.0, 5.0, 6.0],
        **{
            f"{side}_{level}": [np.nan] * 3 + [4.0 + sign * level / 40] * 3
            for side, sign in (("lower", -1), ("upper", 1))
            for level in (80, 95)
        },
    }
)
TOKENS = [
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
from tests.files.test_pictures import ROWS
from stages.files import pictures
pictures.forecast(Path(sys.argv[1]), ROWS, "a picture")
"""


def test_a_users_own_settings_change_nothing(tmp_path: Path, environment: dict[str, str]) -> None:
    drawn = []
    settings = "lines.linewidth: 9\nsavefig.facecolor: red\nfont.family: serif\ntext.usetex: True\nsavefig.bbox: tight\nbackend: svg\n"
    for name, content, backend in (
        ("plain", "", "agg"),
        ("own", settings, "agg"),
        ("backend", "", "no_such_backend"),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "matplotlibrc").write_text(content)
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


def test_every_text_is_drawn_as_it_is_written_and_without_noise(tmp_path: Path) -> None:
    probabilities = np.linspace(0.2, 0.1, len(TOKENS))
    with warnings.catch_warnings(action="error"):
        for text in TOKENS:
            pictures.forecast(tmp_path / "x.png", ROWS, text)
        pictures.bars(
            tmp_path / "x.png",
            pd.DataFrame({"prompt": "x", "token": TOKENS, "probability": probabilities}),
            "$",
        )
        curves = pd.concat(
            [pd.DataFrame({"method": text, "x": [1, 2], "y": [0.1, 2]}) for text in TOKENS]
        )
        pictures.curve(tmp_path / "x.png", curves, "x", "y", "$x^$", "$", True, "$")


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
    assert pictures.shown(text) == shown


def drawn(rows: pd.DataFrame, path: Path) -> bytes:
    pictures.forecast(path, rows, "x")
    return path.read_bytes()


def test_each_interval_that_is_bounded_is_drawn(tmp_path: Path) -> None:
    both = drawn(ROWS, tmp_path / "x.png")
    only_80 = drawn(ROWS.assign(upper_95=np.inf, lower_95=-np.inf), tmp_path / "x.png")
    only_95 = drawn(ROWS.assign(upper_80=np.inf, lower_80=-np.inf), tmp_path / "x.png")
    none = drawn(
        ROWS.assign(upper_80=np.inf, lower_80=-np.inf, upper_95=np.inf, lower_95=-np.inf),
        tmp_path / "x.png",
    )
    part = drawn(ROWS.assign(upper_95=[*ROWS["upper_95"][:5], np.inf]), tmp_path / "x.png")
    assert len({both, only_80, only_95, none, part}) == 5


def test_a_long_series_and_a_loss_of_zero_are_drawn(tmp_path: Path) -> None:
    count = 300_000
    rows = pd.DataFrame(
        {
            "time": np.arange(count),
            "actual": np.random.default_rng(0).normal(size=count),
            "mean": np.nan,
        }
    )
    rows = pd.concat(
        [rows, ROWS.iloc[3:].assign(time=[count, count + 1, count + 2])], ignore_index=True
    )
    pictures.forecast(tmp_path / "x.png", rows, "long")
    with warnings.catch_warnings(action="error"):
        for losses in ([0.0, 0.0], [1.0, 0.0], [-1.0, -2.0]):
            curve = pd.DataFrame(
                {"member": 1, "epoch": [1, 2], "train": losses, "validation": losses}
            )
            pictures.learning_curve(tmp_path / "x.png", curve, [2], "zero")
