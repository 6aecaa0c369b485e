"""Keras models on disk, as the same bytes for the same weights."""

import io
import json
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.errors import InputError
from stages.files.examples import record
from stages.files.writing import RESTORE, read_json, sha256_of, whole


def write(path: Path, model: Any) -> None:
    """Saves a Keras model as `.keras`, without what changes from run to run.

    Keras writes the date, the times of the archive's files, and memory addresses as ids of shared
    objects. Here the date is fixed, ids are numbered in the order of their appearance, and the
    archive's files are sorted and dated 1980.
    """
    with whole(path) as temporary:
        model.save(temporary)
        with zipfile.ZipFile(temporary) as archive:
            contents = {name: archive.read(name) for name in sorted(archive.namelist())}
        contents["metadata.json"] = _fixed_date(contents["metadata.json"])
        contents["config.json"] = _numbered(contents["config.json"])
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
            for name, content in contents.items():
                archive.writestr(zipfile.ZipInfo(name), content)
        temporary.write_bytes(packed.getvalue())


def read(path: Path) -> Any:
    """Loads a model in Keras's safe mode, which runs no code of the file's. Raises `InputError` for
    a file that it refuses."""
    import keras

    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except OSError as error:
        if error.errno is not None:
            raise
        reason: Exception = error
    except Exception as error:  # what a file holds may be anything, and so are the errors
        reason = error
    # What follows the first sentence is advice for programmers.
    summary = " ".join(str(reason).split()).split(". ")[0][:200]
    raise InputError(
        f"{path}: expected a Keras model as training writes it, received one that is refused: "
        f"{summary}. {RESTORE}"
    ) from None


@dataclass(frozen=True)
class TrainedModel:
    """What training says of a model.

    Attributes:
        parameters: how many weights it has. epochs: of all its members together.
        best_epochs: of each member, whose weights were kept.
        settled: what the kind's `settle` says, the mean of all members.
        fast: whether its recurrent layers run Reprise's own loop.
        examples: the sha256 of what `about.json` says of the examples.
        pretrained: of the network that all members started from: its `epochs`, the `best_epoch`,
            and the `validation` loss then; None: each started from its own weights.
    """

    parameters: int
    epochs: int
    best_epochs: list[int]
    settled: dict[str, float]
    fast: bool
    examples: str
    pretrained: dict[str, float] | None = None


def about(folder: Path, prepared: Path) -> TrainedModel:
    """Returns what training says of a model. Raises `InputError` where its examples have been
    prepared again since, and differ.

    What a number means to the model stands beside its examples: their scaler, their tokenizer.
    """
    path = folder / "about.json"
    trained = record(path, {"pretrained": None, **read_json(path)}, TrainedModel)
    if trained.examples != sha256_of(prepared / "about.json"):
        raise InputError(
            f"expected the examples in {prepared} that {folder} was trained on, received other "
            "ones: run `dvc repro`"
        )
    return trained


@dataclass(frozen=True)
class RetrainedModel:
    """What a retrained model belongs to: the sha256 of what `about.json` says of the examples, and
    that of the model that was judged on validation."""

    examples: str
    model: str


def _fixed_date(metadata: bytes) -> bytes:
    return json.dumps({**json.loads(metadata), "date_saved": "1980-01-01@00:00:00"}).encode()


def _numbered(config: bytes) -> bytes:
    numbers: dict[str, str] = {}
    return re.sub(
        r'("shared_object_id": )(\d+)',
        lambda match: match[1] + numbers.setdefault(match[2], str(len(numbers))),
        config.decode(),
    ).encode()
