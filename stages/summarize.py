"""Evaluations of all tasks -> data/metrics: one tidy file that is compared across runs, and each
task's scores in full."""

import logging
import shutil
from pathlib import Path
from typing import Any

from stages import command
from stages.files import parameters
from stages.files.writing import read_json, write_json

log = logging.getLogger("reprise")

DIGITS = 5


def main(arguments: list[str]) -> None:
    command.parser(__doc__, task=False).parse_args(arguments)
    summary = {}
    tasks = parameters.read_all()["tasks"]
    for path in Path("data/evaluations").iterdir():
        if path.is_dir() and path.name not in tasks:
            shutil.rmtree(
                path
            )  # of a task that was taken out: DVC counts it among what this stage is made of
    for task in tasks:
        folder = Path("data/evaluations") / task
        scores, about = rounded(read_json(folder / "scores.json")), read_json(folder / "about.json")
        write_json(Path("data/metrics") / f"{task}.json", scores)
        summary[task] = headline(scores, about["score"], about["direction"])
    write_json(Path("data/metrics/summary.json"), summary)
    for line in table(summary):
        log.info(line)


def headline(scores: dict[str, Any], score: str, direction: str) -> dict[str, Any]:
    """Returns the few numbers by which a task's runs are compared: its score, the best floor's,
    skill, and coverage."""
    best = scores["best_baseline"]
    kept = {key: scores["model"][key] for key in ("coverage_95",) if key in scores["model"]}
    return {
        score: scores["model"][score],
        "direction": direction,
        "best_baseline": best,
        f"{best}_{score}": scores["baseline"][best][score],
        "skill": scores["skill"],
        **kept,
    }


def rounded(value: Any) -> Any:
    """Returns `value` with all its numbers rounded to a few significant digits."""
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value


def table(summary: dict[str, dict[str, Any]]) -> list[str]:
    """Returns the lines of a table: a task a line, with what is better of its score."""
    lines = [
        f"{'task':<20} {'score':<20} {'better':<7} {'network':>10} {'baseline':>10} {'skill':>10} "
        " best baseline"
    ]
    for task, entry in summary.items():
        score, best = next(iter(entry)), entry["best_baseline"]
        # A score that does not exist is null.
        shown = [
            "" if value is None else f"{value:.4g}"
            for value in (entry[score], entry[f"{best}_{score}"], entry["skill"])
        ]
        lines.append(
            f"{task:<20} {score:<20} {entry['direction']:<7} {shown[0]:>10} {shown[1]:>10} "
            f"{shown[2]:>10}  {best}"
        )
    return lines


if __name__ == "__main__":
    command.run(main)
