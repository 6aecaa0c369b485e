"""Files of tar archives."""

from pathlib import Path

import pytest

from stages.errors import InputError
from stages.files import archives


@pytest.mark.parametrize(
    "content",
    [b"", b"x" * 2000, b"\x1f\x8b\x08\x00 not gzip", b"BZh9 not bzip2", b"\xfd7zXZ\x00 not xz"],
)
def test_an_invalid_archive_is_one_error(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.tgz").write_bytes(content)
    with pytest.raises(
        InputError, match=r"url: expected (a tar archive|the file 'x' in the archive)"
    ):
        archives.unpack(tmp_path / "x.tgz", "x", tmp_path / "x", "url")
