"""The parameters that every kind of network shares: its recurrent stack, and its training. Imports
no Keras."""

from typing import Annotated, Literal

from pydantic import Field

from stages.sections import Count, Positive, Rate, Section


class Training(Section):
    """A recurrent stack and how it is trained.

    cell, units, layers: the recurrent stack.
    dropout: part of the recurrent layers' outputs that is dropped in training.
    epochs, patience: at most so many; stop after `patience` epochs without a better validation loss
        and keep the best weights. Without `patience` all epochs run and the last weights are kept.
    optimizer, learning_rate, decay: `cosine` lets the rate fall to 0 over all epochs, `exponential`
        to a hundredth; `staged` holds it for `hold` epochs, and multiplies it by `factor` before
        each one after them.
    clip: largest global norm of the gradients; null: not clipped.
    average: decay, a step, of an exponential moving average of the weights that is used in place of
        them; null: no average.
    steps_per_call: training steps in one call of the compiled loop.
    members: networks that differ in their seed alone, and whose outputs are averaged.
    fast: whether the recurrent layers run Reprise's own loop; Keras's otherwise.
    checkpoint_seconds: time between two checkpoints, from which training that was killed goes on;
        0: after every call; null: none.
    """

    cell: Literal["simple_rnn", "lstm", "gru"] = "lstm"
    units: Count = 64
    layers: Count = 1
    dropout: Rate = 0.0
    epochs: Count = 100
    patience: Count | None = 10
    batch_size: Count = 32
    optimizer: Literal["adam", "sgd"] = "adam"
    learning_rate: Positive = 0.001
    decay: Literal["constant", "cosine", "exponential", "staged"] = "constant"
    hold: Count = 4
    factor: Rate = 0.5
    clip: Positive | None = 1.0
    average: Rate | None = None
    steps_per_call: Count = 32
    members: Count = 1
    fast: bool = True
    checkpoint_seconds: Annotated[float, Field(ge=0)] | None = 60
