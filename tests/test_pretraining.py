"""Networks that start from the weights of another one, which is trained before them."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from stages import members
from stages.batching import Batch
from stages.errors import InputError
from stages.files.models import TrainedModel
from stages.networks import training
from stages.networks.backend import keras
from stages.networks.parameters import Training
from stages.networks.progress import History
from tests.networks.toys import LOSS, Wide
from tests.tasks import die_at_checkpoint

# Four calls an epoch, each after a checkpoint, and one checkpoint at the end: 9 in each training.
SECTION = Training(epochs=2, batch_size=3, steps_per_call=1, members=2, checkpoint_seconds=0)
FIRST = Training(epochs=2, batch_size=3, steps_per_call=1, learning_rate=0.05)


class Reversed(Wide):
    """What the first network learns."""

    def cut(self, indices: np.ndarray, length: int | None = None) -> Batch:
        batch = super().cut(indices)
        return {**batch, "targets": -batch["targets"]}


def build(examples: Any, parameters: Any, name: str) -> keras.Model:
    inputs = keras.Input((10,), name="x")
    hidden = keras.layers.Dense(8, name="shared")(keras.layers.Dropout(0.3)(inputs))
    outputs = keras.layers.Dense(1, name="head")(keras.layers.Dropout(0.5)(hidden))
    return keras.Model({"x": inputs}, outputs, name=name)


def transfer(pretrained: keras.Model, network: keras.Model) -> None:
    network.get_layer("shared").set_weights(pretrained.get_layer("shared").get_weights())


TRAIN: Any = SimpleNamespace(
    batches=lambda examples, split, parameters: Wide(11),
    build=build,
    loss=lambda parameters: LOSS,
    settle=lambda *_: {},
)


def before(first: Training | None = FIRST, source: Wide | None = None) -> Any:
    return SimpleNamespace(
        section=lambda parameters: first,
        batches=lambda examples, split, parameters: source or Reversed(11),
        build=build,
        loss=lambda parameters: LOSS,
        transfer=transfer,
        # The layer that was trained before waits for the second epoch.
        rates=lambda network, parameters: (
            lambda epoch: [0.0, 0.0, 1.0, 1.0] if epoch == 1 else [0.5, 0.5, 1.0, 1.0]
        ),
    )


def trained(saved: Path, first: Any, section: Training = SECTION) -> tuple[Any, ...]:
    keras.backend.clear_session()  # in a process of its own, layers are numbered from 1
    return members.train_members(TRAIN, None, section, 3, saved, first)


def test_every_member_starts_from_the_one_network_that_is_trained_first(tmp_path: Path) -> None:
    one = SECTION.model_copy(update={"epochs": 1, "keep": "last", "members": 2})
    network, _, _, pretrained = trained(tmp_path, before(), one)
    assert isinstance(pretrained, members.Pretrained)
    training.seed_everything(3)
    expected = build(None, None, "first")
    history = training.fit(expected, LOSS, Reversed(11), Reversed(11), FIRST, 3)
    shared = [layer.get_layer("shared").get_weights() for layer in network.layers[1:3]]
    for weights in shared:  # frozen in the only epoch
        np.testing.assert_array_equal(weights[0], expected.get_layer("shared").get_weights()[0])
    heads = [layer.get_layer("head").get_weights()[0] for layer in network.layers[1:3]]
    assert not np.array_equal(*heads)
    assert pretrained.told() == {
        "epochs": 2,
        "best_epoch": 1,
        "validation": history.epochs[0]["validation"],
    }


@pytest.mark.parametrize("first", [None, before(None)])
def test_without_it_members_are_those_of_a_plain_training(tmp_path: Path, first: Any) -> None:
    one = SECTION.model_copy(update={"members": 1})
    network, histories, _, pretrained = trained(tmp_path, first, one)
    assert pretrained is None
    training.seed_everything(3)
    expected = build(None, None, "plain")
    history = training.fit(expected, LOSS, Wide(11), Wide(11), one, 3)
    assert histories[0].epochs == history.epochs
    for weights, wanted in zip(network.get_weights(), expected.get_weights(), strict=True):
        np.testing.assert_array_equal(weights, wanted)
    assert {path.name for path in tmp_path.iterdir()} == {"member_1"}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, ...]:
    return trained(tmp_path_factory.mktemp("whole"), before())


@pytest.mark.parametrize(
    "dies", [9, 12, *(pytest.param(n, marks=pytest.mark.slow) for n in (2, 20))]
)
def test_what_was_killed_goes_on_to_the_same_bytes(
    dies: int, whole: tuple[Any, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the first training, at its end, in that of the first member and of the second."""
    count = die_at_checkpoint(dies, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path, before())
    assert len(list(tmp_path.iterdir())) == 1 + (dies - 1) // 9
    network, histories, _, pretrained = trained(tmp_path, before())
    # Each training that had begun saves once more where it goes on, or its end.
    assert count() == 28 + (dies - 1) // 9
    assert [history.epochs for history in histories] == [history.epochs for history in whole[1]]
    assert pretrained.told() == whole[3].told()
    for weights, wanted in zip(network.get_weights(), whole[0].get_weights(), strict=True):
        np.testing.assert_array_equal(weights, wanted)


@pytest.mark.parametrize("best", [0, 1])
def test_members_that_are_retrained_start_from_one_of_as_many_epochs(
    best: int, tmp_path: Path
) -> None:
    pretrained = {"epochs": 2, "best_epoch": best, "validation": 1.0}
    about = TrainedModel(0, 0, [1], {}, True, "", pretrained)
    network = members.retrain_members(TRAIN, None, SECTION, 3, about, tmp_path, before())
    training.seed_everything(3)
    expected = build(None, None, "first")
    if best:
        training.fit(expected, LOSS, Reversed(11), None, FIRST, 3, stop_after=best)
    for weights, wanted in zip(
        network.get_layer("shared").get_weights(),
        expected.get_layer("shared").get_weights(),
        strict=True,
    ):
        np.testing.assert_array_equal(weights, wanted)
    assert (tmp_path / "pretrained").exists() == bool(best)


def test_the_weights_before_the_first_step_may_be_the_best() -> None:
    history = History([{"epoch": 1, "train": 1.0, "validation": 3.0}], 0, 4, 0.0, 2.0)
    told = members.Pretrained(before(), None, history).told()
    assert told == {"epochs": 1, "best_epoch": 0, "validation": 2.0}


def test_an_error_says_which_training_it_was(tmp_path: Path) -> None:
    class Wild(Wide):
        def cut(self, indices: np.ndarray, length: int | None = None) -> Batch:
            batch = super().cut(indices)
            return {**batch, "targets": batch["targets"] * np.float32(1e30)}

    with pytest.raises(InputError, match=r"^pretraining: training diverged in epoch 1"):
        trained(tmp_path, before(source=Wild(11)))
