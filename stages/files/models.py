"""Keras models on disk, as the same bytes for the same weights."""

import io
import json
import re
import zipfile
from pathlib import Path
from typing import Any

from stages.errors import InputError
from stages.files.writing import RESTORE, read_json, sha256_of, whole


def write(path: Path, model: Any) -> None:
    """Saves a Keras model as `.keras`, without what changes from run to run.

    Keras writes the date, the times of the archive's files, and memory addresses as ids of shared
    objects. Here the date is fixed, ids are numbered in the order of their appearance, and the
    archive's files are sorted and dated 1980.
    """
    with whole(path) as part:
        model.save(part)
        with zipfile.ZipFile(part) as archive:
            contents = {name: archive.read(name) for name in sorted(archive.namelist())}
        contents["metadata.json"] = _fixed_date(contents["metadata.json"])
        contents["config.json"] = _numbered(contents["config.json"])
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
            for name, content in contents.items():
                archive.writestr(zipfile.ZipInfo(name), content)
        part.write_bytes(packed.getvalue())


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
    said = " ".join(str(reason).split()).split(". ")[0][
        :200
    ]  # what follows is advice for who writes code
    raise InputError(
        f"{path}: expected a Keras model as training writes it, received one that is refused: "
        f"{said}. {RESTORE}"
    ) from None


def about(folder: Path, prepared: Path) -> dict[str, Any]:
    """Returns what `train` wrote about a model. Raises `InputError` where its examples have been
    prepared anew since.

    What a number means to the model stands beside its examples: their scaler, their tokenizer.
    """
    found = read_json(folder / "about.json")
    if found.get("examples") != sha256_of(prepared / "about.json"):
        raise InputError(
            f"expected the examples in {prepared} that {folder} was trained on, received other "
            "ones: run `dvc repro`"
        )
    return found


def _fixed_date(metadata: bytes) -> bytes:
    return json.dumps({**json.loads(metadata), "date_saved": "1980-01-01@00:00:00"}).encode()


def _numbered(config: bytes) -> bytes:
    numbers: dict[str, str] = {}
    return re.sub(
        r'("shared_object_id": )(\d+)',
        lambda found: found[1] + numbers.setdefault(found[2], str(len(numbers))),
        config.decode(),
    ).encode()
