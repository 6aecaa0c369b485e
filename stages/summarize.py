"""Evaluations of all tasks -> data/metrics: one tidy file that is compared across runs, and each
task's scores in full."""

import logging
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stages import command, kinds
from stages.files import parameters
from stages.files.writing import read_json, write_json

log = logging.getLogger("reprise")

DIGITS = 5


def main(arguments: list[str]) -> None:
    command.parser(__doc__, task=False).parse_args(arguments)
    tasks = parameters.read_all()["tasks"]
    for path in Path("data/evaluations").iterdir():
        if path.is_dir() and path.name not in tasks:
            # Of a task that was taken out: DVC counts it among what this stage depends on.
            shutil.rmtree(path)
    summary = {}
    for task, entry in tasks.items():
        folder = Path("data/evaluations") / task
        scores, about = rounded(read_json(folder / "scores.json")), read_json(folder / "about.json")
        write_json(Path("data/metrics") / f"{task}.json", scores)
        others = kinds.module(entry["kind"], "scores").HEADLINES
        summary[task] = headline(scores, about["score"], about["direction"], others)
    write_json(Path("data/metrics/summary.json"), summary)
    for line in table(summary):
        log.info(line)


def headline(
    scores: dict[str, Any], score: str, direction: str, others: Sequence[str]
) -> dict[str, Any]:
    """Returns the few numbers by which a task's runs are compared: its score, the best baseline's,
    skill, skill on validation where there is one, and `others` of the network's scores that
    exist."""
    best = scores["best_baseline"]
    return {
        score: scores["model"][score],
        "direction": direction,
        "best_baseline": best,
        f"{best}_{score}": scores["baseline"][best][score],
        "skill": scores["skill"],
        **{key: scores[key] for key in ("validation_skill",) if key in scores},
        **{name: scores["model"][name] for name in others if name in scores["model"]},
    }


def rounded(value: Any) -> Any:
    """Returns `value` with all its numbers rounded to a few significant digits."""
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value


def table(summary: dict[str, dict[str, Any]]) -> list[str]:
    """Returns the lines of a table: one per task, with the direction of its score, and a mark where
    the network loses on validation."""
    lines = [
        f"{'task':<20} {'score':<20} {'better':<7} {'network':>10} {'baseline':>10} "
        f"{'skill':>10}  best baseline"
    ]
    for task, entry in summary.items():
        score, best = next(iter(entry)), entry["best_baseline"]
        values = (entry[score], entry[f"{best}_{score}"], entry["skill"])
        # A score that does not exist is null.
        shown = ["" if value is None else f"{value:.4g}" for value in values]
        skill = entry.get("validation_skill")
        mark = "" if skill is None or skill >= 0 else f"  ! skill on validation {skill:.4g}"
        lines.append(
            f"{task:<20} {score:<20} {entry['direction']:<7} "
            f"{shown[0]:>10} {shown[1]:>10} {shown[2]:>10}  {best}{mark}"
        )
    return lines


if __name__ == "__main__":
    command.run(main)
