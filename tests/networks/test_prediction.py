"""Predictions: in the order of the examples, and of several networks."""

import numpy as np

from stages.networks import training
from stages.networks.backend import keras
from stages.networks.prediction import predict
from tests.networks.toys import Numbers, line


def test_predictions_come_in_order_and_once_each() -> None:
    network, source = line(), Numbers(11)
    expected = network({"x": source.x}).numpy()
    for batch_size in (1, 4, 11, 100):
        np.testing.assert_allclose(
            predict(network, source, batch_size=batch_size), expected, rtol=1e-6
        )


def test_the_mean_of_several_networks_is_a_network() -> None:
    networks = [
        keras.Model(model.input, model.output, name=f"member_{index}")
        for index, model in enumerate([line(), line(), line()])
    ]
    for index, model in enumerate(networks):
        model.set_weights([weight + index for weight in model.get_weights()])
    source = Numbers(5)
    expected = np.mean([predict(model, source) for model in networks], axis=0)
    np.testing.assert_allclose(predict(training.averaged(networks), source), expected, rtol=1e-6)
