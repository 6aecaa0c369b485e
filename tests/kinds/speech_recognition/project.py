"""A small recogniser in the current folder, recordings, and what tests do with its stages."""

import io
import json
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import soundfile

from stages import ingest
from stages.files import tables
from stages.files.task_data import TaskData
from stages.kinds.speech_recognition import Examples, Ingested
from stages.kinds.speech_recognition.sample import SAMPLES
from tests.tasks import write_task

SAMPLE = SAMPLES[0]
TRAIN = {
    **SAMPLE.variants[0],
    "units": 16,
    "epochs": 30,
    "batch_size": 8,
    "learning_rate": 0.02,
}
RATE = SAMPLE.entry["ingest"]["rate"]


def write_project(**changes: dict[str, Any]) -> None:
    """Writes the raw files, the parameters with changes of the task's sections, and what the stage
    `code` would write."""
    for name, content in SAMPLE.files.items():
        assert isinstance(content, bytes)
        write_bytes(name, content)
    write_parameters(**changes)
    for stage in ("train", "evaluate", "predict"):
        Path("data/code", stage).mkdir(parents=True, exist_ok=True)
        Path("data/code", stage, "speech_recognition.txt").write_text("the code of these tests\n")


def write_parameters(**changes: dict[str, Any]) -> None:
    """A value of None takes a key out."""
    entry = {**SAMPLE.entry, "train": TRAIN}
    for name, section in changes.items():
        merged = {**entry[name], **section}
        entry[name] = {key: value for key, value in merged.items() if value is not None}
    write_task(entry)


def write_bytes(name: str, content: bytes) -> None:
    """Writes a raw file, which may be in folders below `data/raw`."""
    path = Path("data/raw", name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def tone(
    pitch: float, seconds: float = 0.2, rate: int = RATE, level: float = 0.25, **form: str
) -> bytes:
    """Returns a sine as a WAV file of 16 bits, or of another form of soundfile's."""
    samples = level * np.sin(2 * np.pi * pitch * np.arange(round(seconds * rate)) / rate)
    return encoded(samples, rate, **form)


def encoded(samples: np.ndarray, rate: int = RATE, **form: str) -> bytes:
    """Returns samples, (samples,) or (samples, channels), as a file."""
    file = io.BytesIO()
    soundfile.write(file, samples, rate, **{"format": "WAV", "subtype": "PCM_16", **form})
    return file.getvalue()


def write_recordings(name: str, files: Mapping[str, bytes | str]) -> None:
    """Writes files to a raw folder, or to an archive, as the suffix of its name says."""
    contents = {
        key: value.encode() if isinstance(value, str) else value for key, value in files.items()
    }
    if name.endswith(".zip"):
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w") as archive:
            for key, value in contents.items():
                archive.writestr(key, value)
        write_bytes(name, content.getvalue())
    elif ".tar" in name:
        content = io.BytesIO()
        with tarfile.open(fileobj=content, mode=f"w:{name.partition('.tar')[2][1:]}") as tar:
            for key, value in contents.items():
                entry = tarfile.TarInfo(key)
                entry.size = len(value)
                tar.addfile(entry, io.BytesIO(value))
        write_bytes(name, content.getvalue())
    else:
        for key, value in contents.items():
            write_bytes(f"{name}/{key}", value)


def ingested(**section: Any) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Returns the table of the stage `ingest`, with its samples as arrays, and what is said of it.
    Changes of the section are written before."""
    if section:
        write_parameters(ingest=section)
    ingest.main(["x"])
    table = tables.read(Path("data/ingested/x/table.parquet"))
    column = np.empty(len(table), object)
    for row, content in enumerate(table["samples"]):
        column[row] = np.frombuffer(content, np.int16)
    about = json.loads(Path("data/ingested/x/about.json").read_text())
    return table.assign(samples=column), about


def data() -> TaskData[Ingested, Examples]:
    return TaskData("x", Ingested, Examples)
