"""Recordings and their transcripts -> a table of samples and normalised transcripts, split."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
from pydantic import Field, model_validator

from stages.audio import strings
from stages.errors import InputError
from stages.files import raw_tables, recordings
from stages.formats import FileFormat
from stages.kinds.speech_recognition import Ingested
from stages.kinds.speech_recognition.transcripts import normalized
from stages.sections import Count, InnerPath, Name, Section, Seed
from stages.splits import SPLITS, ByCount, ByFraction, Fraction
from stages.text import splitting

log = logging.getLogger("reprise")

Values = Annotated[list[Name | int], Field(min_length=1)]
# Columns of the table of recordings, of which none says where a recording goes.
TAKEN = ("recording", "transcript", "samples")
Decibels = Annotated[float, Field(ge=0, le=120)]


class ByValue(Section):
    """Which values of a column go where, such as speakers or takes.

    by: the column, or the field of the pattern; `speaker`: that of the speakers.
    test: its values. validation: likewise; or a fraction of the training recordings, which the seed
        `shuffle` draws. train: its values; `rest`: all others.
    """

    by: Name
    train: Values | Literal["rest"] = "rest"
    validation: Values | Fraction
    test: Values

    @model_validator(mode="after")
    def _different(self) -> "ByValue":
        if repeated := [name for name in self.splits if len(self.splits[name]) > 1]:
            raise ValueError(f"each value once, not {repeated[0]!r} twice")
        if self.by in TAKEN:
            raise ValueError(f"another column than {', '.join(TAKEN)}")
        return self

    @property
    def splits(self) -> dict[str, list[int]]:
        """The number of the split of each value, as text; of several where it is given twice."""
        found: dict[str, list[int]] = {}
        for number, name in enumerate(SPLITS):
            values = getattr(self, name)
            for value in values if isinstance(values, list) else []:
                found.setdefault(str(value), []).append(number)
        return found


class Strings(Section):
    """Strings of words that are made of recordings of single words, after these are split.

    train, validation, test: how many. A string has recordings of one speaker.
    shortest, longest: recordings in a string.
    pause: seconds before, between and behind recordings, at least and at most.
    loudness: by how many dB each recording becomes louder or quieter at most.
    noise: dB below full scale of white noise all over a string; null: none.
    """

    train: Count
    validation: Count
    test: Count
    shortest: Count = 1
    longest: Count = 5
    pause: Annotated[
        list[Annotated[float, Field(ge=0, le=60)]], Field(min_length=2, max_length=2)
    ] = [0.0, 0.2]
    loudness: Decibels = 6.0
    noise: Decibels | None = 50.0
    seed: Seed = 0

    @model_validator(mode="after")
    def _ordered(self) -> "Strings":
        if self.shortest > self.longest or self.pause[0] > self.pause[1]:
            raise ValueError("`shortest` and the first `pause` no larger than the other one")
        return self


class Parameters(FileFormat):
    """Where recordings and transcripts are. How a table is written: `stages.formats`, whose other
    settings have no meaning with a `pattern`.

    file: a folder, or a tar or zip archive, of recordings (WAV, FLAC and what else libsndfile
        reads).
    table: a table in it, with the columns `recording`: the file, `transcript`, and `speaker`,
        where there is one; null: there is none. A cell of `recording` is a path, relative to the
        table's folder or to the whole, or the end of one path alone, such as a file's name without
        its folders, or that without its suffix.
    pattern: in place of a table, what the paths say, such as `{transcript}_{speaker}_{take}.wav`.
        Files in folders whose names begin with `_` are left out.
    rate: samples a second; recordings with another rate are resampled.
    lower: whether transcripts are learned and compared in small letters.
    punctuation: whether punctuation marks and symbols stay; apostrophes within words always do.
    group: `speaker`: all recordings of a speaker are in one split; null: each stands alone.
    shuffle: the seed of the order in which recordings (or speakers) are split; null: recordings are
        split in their order.
    split: fractions or numbers of recordings (with `group`: about so many), or values: see
        `ByValue`.
    strings: what strings are made of the recordings; null: they are taken as they are.
    """

    table: InnerPath | None = None
    pattern: Name | None = None
    recording: Name = "file"
    transcript: Name = "transcript"
    speaker: Name | None = None
    rate: Annotated[int, Field(ge=1000, le=192_000)] = 16_000
    lower: bool = True
    punctuation: bool = False
    group: Literal["speaker"] | None = None
    shuffle: Seed | None = None
    split: ByFraction | ByCount | ByValue
    strings: Strings | None = None

    @model_validator(mode="after")
    def _consistent(self) -> "Parameters":
        if (self.table is None) == (self.pattern is None):
            raise ValueError("either a `table` or a `pattern`, which say what is spoken")
        self._expect_read()
        by_value = isinstance(self.split, ByValue)
        draws = not by_value or isinstance(self.split.validation, float)
        if by_value and self.group:
            raise ValueError("`group` with fractions or numbers only: values decide by themselves")
        if self.shuffle is not None and not draws:
            raise ValueError("no `shuffle` where values alone decide")
        if by_value and draws and self.shuffle is None:
            raise ValueError("a seed as `shuffle`, which draws the validation recordings")
        if self.group and not self._has_speaker:
            raise ValueError("`speaker`, the column of the speakers, with `group: speaker`")
        return self

    def _expect_read(self) -> None:
        """Raises `ValueError` if a setting of the table would be ignored."""
        unread = raw_tables.unread_settings(self.table, self)
        if self.pattern is not None and self.recording != "file":
            unread.append("recording")
        if unread:
            names = ", ".join(f"`{name}`" for name in unread)
            unlike = "" if self.table is None else f" that has such settings, unlike {self.table!r}"
            raise ValueError(f"{names} only with a `table`{unlike}")

    @property
    def _has_speaker(self) -> bool:
        return self.speaker is not None or "{speaker}" in (self.pattern or "")

    def layout(self) -> recordings.Layout:
        """Returns how recordings are read."""
        by = self.split.by if isinstance(self.split, ByValue) else "speaker"
        return recordings.Layout(
            rate=self.rate,
            table=self.table,
            pattern=self.pattern,
            recording=self.recording,
            transcript=self.transcript,
            speaker=self.speaker,
            also=() if by == "speaker" else (by,),
            file_format=self,
        )


def read(path: Path, parameters: Parameters) -> list[pd.DataFrame]:
    """Reads the recordings of a folder or archive, with their transcripts: one table."""
    return [recordings.read(path, parameters.layout())]


def ingest(tables: Sequence[pd.DataFrame], parameters: Parameters) -> tuple[pd.DataFrame, Ingested]:
    """Returns a table of `recording`, `transcript`, `speaker`, `split` and `samples`, split after
    split, and what is to be said of it."""
    table = tables[0]
    table["transcript"] = _normalized(table, parameters)
    table["split"] = _splits(table, parameters)
    if "speaker" not in table:
        table["speaker"] = ""
    order = np.argsort(table["split"].to_numpy(), kind="stable")
    kept = table.iloc[order[: int((table["split"] < len(SPLITS)).sum())]]
    counts = _counts(kept["split"])
    if not all(counts.values()):
        more = "more recordings" if parameters.group is None else "recordings of more speakers"
        raise InputError(
            f"ingest.split: expected at least one recording in each split, received {counts}: give "
            f"{more} or another split"
        )
    _warn_of_repeated(kept)
    source = {} if parameters.strings is None else counts
    if parameters.strings is not None:
        kept = _composed(kept, parameters.strings, parameters.rate)
    kept = kept[["recording", "transcript", "speaker", "split", "samples"]].reset_index(drop=True)
    about = _about(kept, parameters.rate, source, dropped=len(table) - sum(counts.values()))
    kept["samples"] = [samples.tobytes() for samples in kept["samples"]]
    return kept.astype({"split": np.int8}), about


def _normalized(table: pd.DataFrame, parameters: Parameters) -> list[str]:
    lower, punctuation = parameters.lower, parameters.punctuation
    found = [normalized(text, lower=lower, punctuation=punctuation) for text in table["transcript"]]
    if empty := [place for place, text in enumerate(found) if not text]:
        row = table.iloc[empty[0]]
        raise InputError(
            f"{row['recording']}: expected a transcript with a letter or digit, received "
            f"{row['transcript']!r} ({len(empty)} such recordings): correct it, or set "
            "ingest.punctuation to true"
        )
    return found


def _splits(table: pd.DataFrame, parameters: Parameters) -> np.ndarray:
    """Returns the number of each recording's split; 3 where it is in none."""
    split = parameters.split
    if not isinstance(split, ByValue):
        groups = len(table) if parameters.group is None else table[parameters.group]
        return splitting.splits_of(groups, split, parameters.shuffle)
    if split.by not in table:
        raise InputError(
            f"ingest.split.by: expected a column of recordings, received {split.by!r}: name the "
            "column of the speakers as ingest.speaker"
        )
    values, places = table[split.by].astype(str), split.splits
    if missing := sorted(set(places) - set(values)):
        known = ", ".join(sorted(values.unique())[:8])
        raise InputError(
            f"ingest.split: expected values of {split.by!r} ({known}), received {missing[0]!r}, "
            "which no recording has"
        )
    empty = np.flatnonzero((values.str.strip() == "").to_numpy())
    if len(empty) and split.train == "rest":
        raise InputError(
            f"{table['recording'].iloc[empty[0]]}: expected a value of {split.by!r}, received an "
            f"empty cell ({len(empty)} such recordings): fill it, or list the values of "
            "ingest.split.train"
        )
    other = 0 if split.train == "rest" else len(SPLITS)
    numbers = values.map({value: found[0] for value, found in places.items()}).fillna(other)
    splits = numbers.to_numpy(np.int64)
    if isinstance(split.validation, float):
        train = np.flatnonzero(splits == 0)
        drawn = np.random.default_rng(parameters.shuffle).permutation(len(train))
        splits[train[drawn[: int(len(train) * split.validation + 1e-9)]]] = 1
    return splits


def _warn_of_repeated(table: pd.DataFrame) -> None:
    """Warns of recordings that stand in several splits."""
    contents = table["samples"].map(lambda samples: hash(samples.tobytes()))
    splits = table["split"].groupby(contents.to_numpy()).nunique()
    if repeated := int((splits > 1).sum()):
        log.warning(
            "recordings that stand in several splits with the same samples, so that scores say "
            "less: %d",
            repeated,
        )


def _composed(table: pd.DataFrame, parameters: Strings, rate: int) -> pd.DataFrame:
    """Returns the strings that are made of each split's recordings."""
    form = strings.Strings(
        parameters.shortest,
        parameters.longest,
        (parameters.pause[0], parameters.pause[1]),
        parameters.loudness,
        parameters.noise,
    )
    rows: list[dict[str, Any]] = []
    for number, name in enumerate(SPLITS):
        own = table[table["split"] == number]
        texts, speakers = own["transcript"].to_numpy(object), own["speaker"].to_numpy(object)
        # Another split's number changes nothing here.
        rng = np.random.default_rng([parameters.seed, number])
        samples, count = own["samples"].tolist(), getattr(parameters, name)
        made = strings.compose(samples, speakers.astype(str), count, form, rate, rng)
        for place, string in enumerate(made, 1):
            rows.append(
                {
                    "recording": f"{name} {place}",
                    "transcript": " ".join(texts[string.indices]),
                    "speaker": speakers[string.indices[0]],
                    "split": number,
                    "samples": string.samples,
                }
            )
    return pd.DataFrame(rows)


def _counts(splits: Any) -> dict[str, int]:
    counts = np.bincount(np.asarray(splits, np.int64), minlength=len(SPLITS))
    return dict(zip(SPLITS, counts.tolist(), strict=True))


def _about(table: pd.DataFrame, rate: int, source: dict[str, int], dropped: int) -> Ingested:
    lengths = table["samples"].map(len)
    words = table["transcript"].str.split()
    known = set(words[table["split"] == 0].explode())
    seconds, speakers, unknown = {}, {}, {}
    for number, name in enumerate(SPLITS):
        own = table["split"] == number
        seconds[name] = round(float(lengths[own].sum()) / rate, 3)
        if named := sorted(set(table.loc[own, "speaker"]) - {""}):
            speakers[name] = named
        unknown[name] = round(float((~words[own].explode().isin(known)).mean()), 6)
    if unheard := {name: share for name, share in unknown.items() if share}:
        log.warning("words that training lacks, and a network of words misses: %s", unheard)
    return Ingested(
        rate, _counts(table["split"]), seconds, speakers, len(known), unknown, source, dropped
    )
