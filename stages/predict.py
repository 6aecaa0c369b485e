"""Model and last known rows -> data/predictions/TASK: what comes next.

With --input it forecasts from newer rows, laid out as the task's raw file, without retraining:
python -m stages.predict carbon_dioxide --input newer.csv --output forecast.csv
"""

import logging
from pathlib import Path

from stages import command, kinds
from stages.errors import InputError
from stages.files import examples, models, parameters, pictures, tables
from stages.files.writing import read_json
from stages.networks import recurrent, training

log = logging.getLogger("reprise")


def main(arguments: list[str]) -> None:
    parser = command.parser(__doc__)
    parser.add_argument("--input", type=Path, help="newer rows, laid out as the task's raw file")
    parser.add_argument("--output", type=Path, help="the CSV file to write the forecast to")
    given = parser.parse_args(arguments)
    if (given.input is None) != (given.output is None):
        raise InputError("expected both --input and --output, or neither, received one of them")
    task, kind = given.task, parameters.kind(given.task)
    part, ingest = kinds.part(kind, "predict"), kinds.part(kind, "ingest")
    section = parameters.section(task, "predict", part.Parameters)
    layout = parameters.section(task, "ingest", ingest.Parameters)
    trained = Path("data/models") / task / "model.keras"
    if not trained.exists():
        raise InputError(f"expected a trained model at {trained}, found none: run `dvc repro` or `dvc pull`")
    known = examples.read(Path("data/examples") / task)
    widths = examples.read(Path("data/evaluations") / task).arrays["half_widths"]
    table = tables.read(Path("data/ingested") / task / "table.parquet")
    try:
        if given.input is not None:
            table = part.join(table, tables.read_parts(given.input, None, *ingest.columns_to_read(layout, newer=True)), layout, known.about)
        network = models.read(trained)
        if read_json(trained.with_name("about.json"))["fast"]:
            recurrent.accelerate(network)
        forecast = part.predict(table, known.about, known.arrays, widths, lambda batches: training.predict(network, batches))
    except InputError as error:
        raise InputError(f"task {task}{'' if given.input is None else f', {given.input}'}: {error}") from None
    folder = Path("data/predictions") / task
    tables.write_csv(given.output or folder / "forecast.csv", forecast)
    if given.output is None:
        plots = Path("data/plots") / task
        title, rows = part.plot(table, forecast, section.history)
        tables.write_csv(plots / "forecast.csv", rows)
        pictures.forecast(plots / "forecast.png", rows, f"{task}: {title}, forecast")
    log.info("%s: forecast to %s", task, forecast["time"].iloc[-1])


if __name__ == "__main__":
    command.run(main)
