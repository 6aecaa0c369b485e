"""Files in a folder, or in a tar or zip archive."""

import io
import tarfile
import zipfile
from pathlib import Path


def write_folder(path: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)


def write_tar(path: Path, files: dict[str, bytes]) -> None:
    ending = path.name.rpartition(".")[2]
    with tarfile.open(path, f"w:{'gz' if ending == 'tgz' else ending.replace('tar', '')}") as tar:  # type: ignore[call-overload]
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))


def write_zip(path: Path, files: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
