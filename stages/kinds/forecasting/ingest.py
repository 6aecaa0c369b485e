"""Raw table -> tidy series, split by time."""

from stages.files.raw_series import Layout as Parameters
from stages.files.raw_series import ingest, read

__all__ = ["Parameters", "ingest", "read"]
