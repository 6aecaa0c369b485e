"""Learning rates of single variables, which may be frozen for a while."""

from typing import Any

import numpy as np
import pytest

from stages.networks import optimizers, training
from stages.networks.backend import keras, tf
from tests.networks.cases import combinations
from tests.networks.test_training import until_the_end
from tests.networks.toys import LOSS, Killed, Memory, Wide, dropping


def updates(
    optimizer: Any, starts: list[np.ndarray], gradients: list[list[np.ndarray]], rates: Any
) -> list[np.ndarray]:
    """The variables after updates with multipliers of the learning rate; None: without any."""
    variables = [keras.Variable(start, name=f"v{index}") for index, start in enumerate(starts)]
    optimizer.build(variables)
    apply = tf.function(lambda tensors: optimizer.apply(tensors, variables))
    for number, of in enumerate(gradients):
        if rates is not None:
            optimizer.rate(rates[number])
        apply([tf.constant(array) for array in of])
    return [variable.numpy() for variable in variables]


@pytest.mark.parametrize("decay", [None, 0.3])
@pytest.mark.parametrize("name", ["Adam", "SGD"])
def test_each_variable_has_a_learning_rate_of_its_own(name: str, decay: float | None) -> None:
    """As a loop in NumPy has it, where one variable is frozen, one released later."""
    rng = np.random.default_rng(0)
    shapes = [(7, 5), (5,), (3,)]
    starts = [rng.normal(size=shape).astype("float32") for shape in shapes]
    gradients = [[rng.normal(size=shape).astype("float32") for shape in shapes] for _ in range(6)]
    rates = [[0.5, 0.0, 0.0]] * 3 + [[1.0, 0.0, 0.25]] * 3
    optimizer = getattr(optimizers, name)(0.1, weight_decay=decay, global_clipnorm=0.5)
    optimizer.exclude_from_weight_decay(var_names=["v2"])
    found = updates(optimizer, starts, gradients, rates)
    assert len(optimizer.variables) == (8 if name == "Adam" else 2)  # what checkpoints hold

    expected = [start.astype(np.float64) for start in starts]
    first, second = ([np.zeros(shape) for shape in shapes] for _ in range(2))
    for step, (of, multipliers) in enumerate(zip(gradients, rates, strict=True), 1):
        norm = np.sqrt(sum((array.astype(np.float64) ** 2).sum() for array in of))
        for index, array in enumerate(of):
            clipped, rate = array * min(1, 0.5 / norm), 0.1 * multipliers[index]
            if decay and index < 2:
                expected[index] -= expected[index] * decay * rate
            if name == "SGD":
                expected[index] -= rate * clipped
                continue
            first[index] += 0.1 * (clipped - first[index])
            second[index] += 0.001 * (clipped**2 - second[index])
            share = np.sqrt(1 - 0.999**step) / (1 - 0.9**step)
            expected[index] -= rate * share * first[index] / (np.sqrt(second[index]) + 1e-7)
    np.testing.assert_array_equal(found[1], starts[1])
    for array, wanted in zip(found, expected, strict=True):
        np.testing.assert_allclose(array, wanted, rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize("name", ["Adam", "SGD"])
def test_rates_of_one_change_no_byte(name: str) -> None:
    rng = np.random.default_rng(0)
    starts = [rng.normal(size=(4, 3)).astype("float32")]
    gradients = [[rng.normal(size=(4, 3)).astype("float32")] for _ in range(3)]
    plain, rated = (
        updates(getattr(optimizers, name)(0.1, weight_decay=0.1), starts, gradients, rates)
        for rates in (None, [[1.0]] * 3)
    )
    np.testing.assert_array_equal(*plain, *rated)


def released(epoch: int) -> list[float]:
    """The last layer is trained from the first epoch on, the layer before it from the third on."""
    before = 0.0 if epoch < 3 else 0.5
    return [before, before, 1.0, 1.0]


def test_frozen_variables_keep_their_bytes_until_they_are_released() -> None:
    parameters = until_the_end("adam").model_copy(update={"weight_decay": 0.1})
    start, kept = dropping().get_weights(), []
    for stop_after in (2, 3):
        network = dropping()
        training.fit(
            network, LOSS, Wide(11), None, parameters, 4, stop_after=stop_after, rates=released
        )
        kept.append(network.get_weights())
    for index in range(2):
        np.testing.assert_array_equal(kept[0][index], start[index])
        assert np.abs(kept[1][index] - start[index]).min() > 0
    for index in range(2, 4):
        assert np.abs(kept[0][index] - start[index]).min() > 0


@pytest.mark.parametrize("dies", combinations([2, 9, 10], fast=[10]))
def test_training_with_rates_that_was_killed_goes_on_to_the_same_bytes(dies: int) -> None:
    """Four calls an epoch: the tenth checkpoint is in the third epoch, the first with other
    rates."""
    parameters, source = until_the_end("adam"), Wide(11)

    def fit(saved: Memory) -> list[np.ndarray]:
        network = dropping()
        training.fit(network, LOSS, source, source, parameters, 4, saved, rates=released)
        return network.get_weights()

    expected, saved = fit(Memory(None)), Memory(dies)
    with pytest.raises(Killed):
        fit(saved)
    assert saved.saved[-1]["position"][0] == (1 if dies == 2 else 3)
    saved.dies = None
    for weights, wanted in zip(fit(saved), expected, strict=True):
        np.testing.assert_array_equal(weights, wanted)
