"""The baseline: the answer that is most frequent in training."""

from stages.kinds.parity import Examples, Ingested

from stages.files.task_data import TaskData
from stages.kinds.data import Baselines, Judged
from stages.sections import Section


class Parameters(Section):
    """There is nothing to choose."""


def baseline(
    data: TaskData[Ingested, Examples], parameters: Parameters, judged: Judged
) -> Baselines:
    examples = data.examples
    train, test = (examples.odd[examples.numbers_of(split)] for split in ("train", "test"))
    return Baselines({"most_frequent": {"accuracy": float((test == (train.mean() > 0.5)).mean())}})
