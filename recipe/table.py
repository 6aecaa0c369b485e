"""Metrics of all tasks of the development set -> one table in Markdown, the smallest set first.

Run from the project's root: `python -m recipe.table`; `--write` puts the table into
recipe/README.md.
"""

import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from recipe.datasets import HOME, SETS
from stages import command
from stages.errors import InputError
from stages.files import parameters
from stages.files.writing import read_json, write_text
from stages.scores import Score

README = HOME / "README.md"
BEGIN, END = "<!-- output: python -m recipe.table -->", "<!-- end -->"
NOTHING = "No task has run yet."
# A skill below this one is a loss that counts.
TOLERATED = -0.02
SUMMARY = {
    "median": lambda skills: f"{np.median(skills):+.3f}",
    "worst": lambda skills: f"{np.min(skills):+.3f}",
    "share above 0": lambda skills: f"{np.mean(np.array(skills) > 0):.0%}",
    f"share at or above {TOLERATED}": lambda skills: (
        f"{np.mean(np.array(skills) >= TOLERATED):.0%}"
    ),
}


def main(arguments: list[str]) -> None:
    parser = command.parser(__doc__, task=False)
    parser.add_argument("--write", action="store_true", help=f"into {README}")
    tasks = parameters.read_all(HOME / "params.yaml")["tasks"]
    paths = {task: HOME / f"data/metrics/{task}.json" for task in tasks}
    scores = {task: read_json(path) for task, path in paths.items() if path.exists()}
    rivals = HOME / "rivals.json"
    rows = lines(
        tasks, read_json(SETS), scores, read_json(rivals)["tasks"] if rivals.exists() else {}
    )
    if parser.parse_args(arguments).write:
        write_text(README, with_table(README.read_text(encoding="utf-8"), rows))
    else:
        sys.stdout.write("\n".join([*rows, ""]))


def lines(
    tasks: Mapping[str, Any],
    sets: Mapping[str, Any],
    scores: Mapping[str, Any],
    rivals: Mapping[str, Any],
) -> list[str]:
    """Returns the lines of the table: a row a task that has scores, and rows that sum up skills;
    and a table of those sets that have known inputs once more.

    Args:
        tasks: of params.yaml. sets: of sets.json. scores: those in data/metrics, by task.
        rivals: the tasks of rivals.json. Their skill is against the same baseline as the network's,
            on the windows that they forecast.
    """
    ran = sorted((task for task in tasks if task in scores), key=lambda task: sets[task]["rows"])
    if not ran:
        return [NOTHING]
    with_known = [task for task in ran if "beside" in sets[task]]
    ran = [task for task in ran if task not in with_known]
    skills: dict[str, list[float | None]] = {"skill": [scores[task]["skill"] for task in ran]}
    validation = [scores[task].get("validation_skill") for task in ran]
    if any(value is not None for value in validation):
        skills["on validation"] = validation
    methods = dict.fromkeys(name for task in rivals.values() for name in task["methods"])
    skills |= {name: [_of_rival(rivals.get(task), name) for task in ran] for name in methods}
    facts = [_facts(task, sets[task], tasks[task], scores[task]) for task in ran]
    columns = ["set", "rows", "series", "step, season", "MAE", "best baseline", "its MAE"]
    body = [
        [*fact, *("" if of[row] is None else f"{of[row]:+.3f}" for of in skills.values())]
        for row, fact in enumerate(facts)
    ]
    for name, sum_up in SUMMARY.items():
        known = ([value for value in of if value is not None] for of in skills.values())
        empty = [""] * (len(columns) - 1)
        body.append(
            [f"**{name}**", *empty, *(sum_up(values) if values else "" for values in known)]
        )
    return [*_table([*columns, *skills], body), *_known(with_known, tasks, sets, scores)]


def _known(
    ran: Sequence[str], tasks: Mapping[str, Any], sets: Mapping[str, Any], scores: Mapping[str, Any]
) -> list[str]:
    """Returns the table of the tasks with known inputs, each beside the same set without them."""
    columns = ["set", "known", "MAE", "without", "best baseline", "its MAE", "skill"]
    body = []
    for task in ran:
        own, best = scores[task], scores[task]["best_baseline"]
        errors = [own["model"]["mae"], scores[sets[task]["beside"]]["model"]["mae"]]
        known = ", ".join(tasks[task]["ingest"]["known"])
        row = [f"`{sets[task]['beside']}`", known, *(f"{error:.4g}" for error in errors)]
        body.append([*row, best, f"{own['baseline'][best]['mae']:.4g}", f"{own['skill']:+.3f}"])
    return ["", *_table(columns, body)] if body else []


def _table(columns: Sequence[str], body: Sequence[Sequence[str]]) -> list[str]:
    return [_row(columns), "|" + "---|" * len(columns), *map(_row, body)]


def _facts(name: str, about: Any, task: Any, scores: Any) -> list[str]:
    season, best = task["scale_and_window"]["season"], scores["best_baseline"]
    step = about["frequency"] if season == 1 else f"{about['frequency']}, {season}"
    return [
        *(f"`{name}`", f"{about['rows']:,}", f"{about['series']:,}", step),
        *(f"{scores['model']['mae']:.4g}", best, f"{scores['baseline'][best]['mae']:.4g}"),
    ]


def _of_rival(task: Any, method: str) -> float | None:
    result = task and task["methods"].get(method)
    return result and Score().skill(result["mae"], task["baseline_mae"])


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def with_table(page: str, rows: Sequence[str]) -> str:
    """Returns a page with `rows` between its two marks."""
    new = "\n".join([BEGIN, *rows, END])
    pattern = re.compile(f"{re.escape(BEGIN)}\n.*?{re.escape(END)}", re.DOTALL)
    changed, count = pattern.subn(lambda _: new, page)
    if count != 1:
        raise InputError(f"{README}: expected {BEGIN} and {END} once, found them {count} times")
    return changed


if __name__ == "__main__":
    command.run(main)
