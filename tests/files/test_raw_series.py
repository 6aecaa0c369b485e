"""Tables of series for kinds that say more of them: their own parameters, and their own record."""

from dataclasses import dataclass

import pandas as pd

from stages.files import raw_series
from stages.files.raw_series import Layout
from stages.sections import Name
from stages.series.data import IngestedSeries


class Labelled(Layout):
    label: Name

    def is_target(self, name: str) -> bool:
        return name != self.label and super().is_target(name)


@dataclass(frozen=True)
class IngestedLabels(IngestedSeries):
    labels: int


LAYOUT = Labelled.model_validate(
    {
        "file": "data/raw/x.csv",
        "targets": "all",
        "label": "odd",
        "split": {"train": 4, "validation": 2, "test": 2},
    }
)


def test_parameters_keep_their_class_when_the_targets_are_named() -> None:
    named = LAYOUT.naming(["a", "odd", "b"])
    assert (type(named), named.targets, named.label) == (Labelled, ["a", "b"], "odd")


def test_a_record_is_extended_by_its_fields() -> None:
    table = pd.DataFrame({"a": range(8), "odd": [0, 1] * 4}).astype(str)
    tidy, about = raw_series.ingest([table], LAYOUT)
    assert tidy["a"].tolist() == list(range(8))
    assert "odd" not in tidy
    extended = IngestedLabels(**vars(about), labels=4)
    assert (extended.targets, extended.rows, extended.labels) == (["a"], 8, 4)
