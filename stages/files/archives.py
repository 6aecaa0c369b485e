"""Single files of tar archives."""

import lzma
import shutil
import tarfile
import zlib
from pathlib import Path

from stages.errors import InputError
from stages.files.writing import expect_space


def unpack(archive: Path, member: str, target: Path, url: str) -> None:
    """Writes one file of a tar archive, which may be compressed, to `target`.

    Nothing else is unpacked, so no path in the archive is ever used.

    Args:
        url: where the archive is from, for error messages.

    Raises:
        InputError: the archive is damaged, has no such file, or the file does not fit on the disk.
    """
    damage = (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, ValueError, OverflowError)
    try:
        with tarfile.open(archive) as tar:
            names = {name.removeprefix("./"): name for name in tar.getnames()}
            entry = tar.getmember(names[member]) if member in names else None
            # A link is refused: it may point to anything.
            file = tar.extractfile(entry) if entry is not None and entry.isfile() else None
            if entry is None or file is None:
                raise InputError(
                    f"{url}: expected the file {member!r} in the archive, found "
                    f"{', '.join(sorted(names)[:8])}, ..."
                )
            expect_space(entry.size, target, f"{member} of {url}")
            with target.open("wb") as output:
                shutil.copyfileobj(file, output)
    except InputError:  # which is a ValueError
        raise
    except damage as error:
        raise InputError(
            f"{url}: expected a tar archive, received one that cannot be read: {error}"
        ) from None
