"""The parameters that all networks share: those of the recurrent layers and of training. Imports no
Keras."""

from typing import Annotated, Literal

from pydantic import Field

from stages.sections import Count, Positive, Rate, Section


class Training(Section):
    """A recurrent stack and how it is trained.

    cell, units, layers: the recurrent stack.
    dropout: share of the recurrent layers' outputs that is dropped in training.
    epochs, max_steps: training stops after so many epochs; null: after the epochs that `max_steps`
        training steps, of a batch each, begin.
    patience: training stops after so many epochs without a better validation loss; null: never.
    keep: the weights with the best validation loss, those before the first step among them, or the
        last ones.
    weight_decay: share of each weight that is taken off in a step, times the learning rate
        (Loshchilov and Hutter, "Decoupled weight decay regularization", 2019).
    optimizer, learning_rate, decay: with `cosine` the rate falls to 0 over all epochs, with
        `exponential` to a hundredth; `staged` keeps it for `hold` epochs and multiplies it by
        `factor` before each later one.
    clip: largest global norm of the gradients; null: not clipped.
    average: decay per step of an exponential moving average of the weights, which is used in place
        of them; null: no average. It is smaller in the first steps, so that the average leaves the
        start behind.
    steps_per_call: training steps in one call of the compiled loop.
    members: networks that differ only in their seed, and whose outputs are averaged.
    fast: whether the recurrent layers run Reprise's own loop rather than Keras's.
    checkpoint_seconds: time between two checkpoints, from which a training that was killed resumes;
        0: before every call; null: none.
    """

    cell: Literal["simple_rnn", "lstm", "gru"] = "lstm"
    units: Count = 64
    layers: Count = 1
    dropout: Rate = 0.0
    epochs: Count | None = 100
    max_steps: Count = 1000
    patience: Count | None = 10
    keep: Literal["best", "last"] = "best"
    batch_size: Count = 32
    optimizer: Literal["adam", "sgd"] = "adam"
    learning_rate: Positive = 0.001
    decay: Literal["constant", "cosine", "exponential", "staged"] = "constant"
    hold: Count = 4
    factor: Rate = 0.5
    clip: Positive | None = 1.0
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    average: Rate | None = None
    steps_per_call: Count = 32
    members: Count = 1
    fast: bool = True
    checkpoint_seconds: Annotated[float, Field(ge=0)] | None = 60
