"""The recurrent layers: SimpleRNN (Elman, 1990), LSTM (Hochreiter and Schmidhuber, 1997), GRU (Cho et al., 2014)."""

from typing import Any

from stages.networks.backend import keras

CELLS = {"simple_rnn": keras.layers.SimpleRNN, "lstm": keras.layers.LSTM, "gru": keras.layers.GRU}


def layer(cell: str, units: int, name: str, activation: str = "tanh") -> keras.layers.Layer:
    """Returns a recurrent layer that gives its outputs at all steps and its last state.

    Called with (batch, time, features) it returns the outputs (batch, time, units) and then the states, (batch, units) each: one
    for `simple_rnn` and `gru`, two for `lstm` (hidden state, cell state).
    """
    return CELLS[cell](units, activation=activation, return_sequences=True, return_state=True, name=name)


def run(recurrent: keras.layers.Layer, inputs: Any, states: list[Any] | None = None) -> tuple[Any, list[Any]]:
    """Returns the outputs at all steps and the list of last states."""
    outputs, *last = recurrent(inputs, initial_state=states)
    return outputs, last
