"""What the network is told besides values: which of them were filled in, and which series it sees.

A series has one vector: its standardised numbers, and an embedding of each of its categories, which
is `width` long. The recurrent layers are given it at each step; of the decoders the dense one has
it beside the last state, and the parallel one adds it to each query by a dense layer.
"""

from typing import Any

from stages.series.data import SeriesExamples

# Wider embeddings have more weights than the examples of a level are worth.
WIDEST = 16


def width(levels: int) -> int:
    """Returns the length of an embedding of so many levels: half of them, at most `WIDEST`."""
    return min(WIDEST, (levels + 1) // 2)


def with_marks(inputs: dict[str, Any], past: Any, examples: SeriesExamples) -> Any:
    """Returns `past` (batch, steps, features), the last steps of a window, with 1 for each input
    that was observed at a step and 0 for each that was filled in, if the network is told. Then adds
    `observed` to the inputs."""
    from keras import ops

    from stages.networks.backend import keras

    columns = examples.inputs_observed.shape[1]
    if not columns:
        return past
    inputs["observed"] = keras.Input((examples.lookback, columns), name="observed")
    return ops.concatenate([past, inputs["observed"][:, -past.shape[1] :]], axis=-1)


def of_series(inputs: dict[str, Any], examples: SeriesExamples, told: bool) -> Any:
    """Returns the vector of the series, (batch, features); None where nothing is told of it. Adds
    what it is made of to the inputs.

    Args:
        told: whether an embedding of which series it is belongs to the vector.
    """
    from keras import layers, ops

    from stages.networks.backend import keras

    vectors = []
    if columns := len(examples.standardisation):
        inputs["static"] = keras.Input((columns,), name="static")
        vectors.append(inputs["static"])
    if columns := len(examples.levels):
        codes = keras.Input((columns,), dtype="int32", name="categories")
        inputs["categories"] = codes
        for index, levels in enumerate(examples.levels.values()):
            # Numbered, as a name of a column may be none of a layer.
            name = f"category_{index + 1}"
            embedding = layers.Embedding(len(levels), width(len(levels)), name=name)
            vectors.append(embedding(codes[:, index]))
    if told:
        vectors.append(which(inputs, examples, width(len(examples.series))))
    return ops.concatenate(vectors, axis=-1) if vectors else None


def which(inputs: dict[str, Any], examples: SeriesExamples, units: int) -> Any:
    """Returns an embedding of which series it is, (batch, units). Adds `series` to the inputs."""
    from keras import layers

    from stages.networks.backend import keras

    inputs["series"] = keras.Input((), dtype="int32", name="series")
    embedding = layers.Embedding(len(examples.series), units, name="series_embedding")
    return embedding(inputs["series"])
