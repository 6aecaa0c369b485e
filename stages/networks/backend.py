"""Keras and TensorFlow, imported once and without their messages. All other modules import them
from here. Which instructions they use is set in `stages.arithmetic`."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

# A user's own settings must change nothing: with another dtype or epsilon the same parameters would
# train another network. Keras finds no `keras.json` here, and writes none into anybody's home.
os.environ["KERAS_HOME"] = os.devnull
os.environ["KERAS_BACKEND"] = "tensorflow"
for _variable in ("KERAS_MAX_EPOCHS", "KERAS_MAX_STEPS_PER_EPOCH"):
    os.environ.pop(_variable, None)
# TensorFlow reads these when it is imported.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


@contextmanager
def _silenced() -> Iterator[None]:
    """Hides what native code writes to standard error: on import TensorFlow writes a page about
    CUDA that no log level turns off."""
    kept = os.dup(2)
    null = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(null, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(null)


with _silenced():
    import keras
    import tensorflow as tf

    tf.config.list_physical_devices()

# Keras may have been imported before, as in a notebook.
keras.config.set_floatx("float32")
keras.config.set_epsilon(1e-7)
keras.config.set_image_data_format("channels_last")
keras.config.set_dtype_policy("float32")

# TensorFlow warns of repeated tracing where there are just layers of different shapes.
tf.get_logger().setLevel("ERROR")

# The remapper breaks graphs with a ReLU in a recurrent cell (it leaves a node without a name) and
# speeds up none of our networks.
tf.config.optimizer.set_experimental_options({"remapping": False})

__all__ = ["keras", "tf"]
