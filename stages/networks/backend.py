"""Keras and TensorFlow, imported once and in quiet. Everything that needs them takes them from
here."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

# A user's own settings change nothing: with another type or epsilon the same parameters would train
# another network. Keras finds no `keras.json` here, and writes none into anybody's home.
os.environ["KERAS_HOME"] = os.devnull
os.environ["KERAS_BACKEND"] = "tensorflow"
for _variable in ("KERAS_MAX_EPOCHS", "KERAS_MAX_STEPS_PER_EPOCH"):
    os.environ.pop(_variable, None)
# TensorFlow reads these when it is imported.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# Off by default on CPUs without AVX512-VNNI, where it makes the recurrent matrix products up to
# twice as fast.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
# What runs side by side are parts of a batch, one core each. An operation that is split over
# threads as well only waits; with one thread its result does not depend on how many cores there are
# either.
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
# Eigen's matrix products in place of YNNPACK's: a tenth faster at 256 units. Vectors of 512 bits,
# where there are some: up to a tenth.
_FLAGS = "--xla_cpu_experimental_ynn_fusion_type= --xla_cpu_prefer_vector_width=512"
os.environ["XLA_FLAGS"] = f"{_FLAGS} {os.environ.get('XLA_FLAGS', '')}".strip()


@contextmanager
def _silenced() -> Iterator[None]:
    """Hides what native code writes to the standard error: TensorFlow greets with a page on CUDA
    that no level turns off."""
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

# Where Keras was imported before, as in a notebook
keras.config.set_floatx("float32")
keras.config.set_epsilon(1e-7)
keras.config.set_image_data_format("channels_last")
keras.config.set_dtype_policy("float32")

# TensorFlow takes layers of different shapes for a function that is traced again and again.
tf.get_logger().setLevel("ERROR")

# The remapper breaks graphs with a ReLU in a recurrent cell (it leaves a node without a name) and
# speeds up none of ours.
tf.config.optimizer.set_experimental_options({"remapping": False})

__all__ = ["keras", "tf"]
