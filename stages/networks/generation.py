"""What a network of `stages.networks.encoder_decoder` writes, step by step on carried states.

A step is compiled for all sizes at once, without XLA. The beams of a text stand side by side as the
steps of its decoder would, so that they share what the encoder has read.
"""

from typing import Any

import numpy as np

from stages.networks import encoder_decoder, pointer
from stages.networks.attention import Memory
from stages.networks.backend import keras, tf
from stages.text.search import Step
from stages.text.tokens import END, UNKNOWN

_NEVER = -np.inf


class Generator:
    """A network, or several whose mean counts.

    Attributes:
        layers: of each member, by their names. copies: whether it copies tokens.
        read: texts (texts, source steps) and the number of beams -> what a search holds of them.
    """

    def __init__(self, network: keras.Model, ids: int) -> None:
        """`ids`: how many ids the network writes."""
        members = [layer for layer in network.layers if isinstance(layer, keras.Model)]
        self.members, self.ids = members or [network], ids
        self.layers = [{layer.name: layer for layer in one.layers} for one in self.members]
        self.copies = "gate" in self.layers[0]
        self._encoders = [
            _encoder(one, own) for one, own in zip(self.members, self.layers, strict=True)
        ]
        self.read = tf.function(self._read, reduce_retracing=True)
        self._advance = tf.function(self._next, reduce_retracing=True)

    def begin(self, source: np.ndarray, copies: np.ndarray | None, beams: int) -> Step:
        """Returns the step of a search over the outputs of texts.

        Args:
            source: (texts, source steps). copies: (texts, source steps) the id that stands for each
                of its tokens, -1 for none.
        """
        held = self.read(tf.constant(source), beams)
        extended = 0
        if copies is not None and self.copies:
            extended = max(int(copies.max()) + 1 - self.ids, 0)
            held["copies"] = tf.constant(copies)

        def step(
            tokens: np.ndarray, origins: np.ndarray, rows: np.ndarray, forbidden: np.ndarray
        ) -> tuple[np.ndarray, np.ndarray]:
            nonlocal held
            if len(rows) < len(held["source"]):
                held = tf.nest.map_structure(lambda tensor: tf.gather(tensor, rows), held)
            logs, ids, states, _ = self._advance(
                *map(tf.constant, (tokens, origins, forbidden)), held, tf.constant(extended)
            )
            held = {**held, "states": states}
            return logs.numpy().astype(np.float64), ids.numpy().astype(np.int64)

        return step

    def weights(self, source: np.ndarray, tokens: np.ndarray) -> np.ndarray:
        """Returns the weights of attention, (outputs, steps, source steps), of outputs of one text.

        Args:
            source: (1, source steps). tokens: (outputs, steps) the tokens before each step.
        """
        outputs = len(tokens)
        held = self.read(tf.constant(source), outputs)
        origins = tf.range(outputs, dtype=tf.int64)[None]
        found, none = [], tf.zeros((0, 3), tf.int64)
        for step in range(tokens.shape[1]):
            current = tf.constant(tokens[None, :, step])
            *_, states, weights = self._advance(current, origins, none, held, tf.constant(0))
            held = {**held, "states": states}
            found.append(weights.numpy()[0])
        return np.stack(found, 1)

    def _read(self, source: Any, beams: Any) -> dict[str, Any]:
        """Returns what a search holds of some texts: for each member its memory, and the states
        (texts, beams, units) of its decoder's layers."""
        memories, states = [], []
        for encoder, layers in zip(self._encoders, self.layers, strict=True):
            outputs, keys, *starts = encoder(source, training=False)
            memory = Memory(outputs, keys, source > 0)
            memories.append(list(memory))
            flat = iter([tf.repeat(start[:, None], beams, 1) for start in starts])
            own = [[next(flat) for _ in group] for group in encoder_decoder.starts_of(layers)]
            states.append(encoder_decoder.begin(layers, own, memory))
        return {"source": source, "memories": memories, "states": states}

    def _next(
        self, tokens: Any, origins: Any, forbidden: Any, held: dict[str, Any], extended: Any
    ) -> tuple[Any, Any, Any, Any]:
        """Returns the log p and the ids of the likeliest next tokens, (texts, beams, beams + 1),
        the states after `tokens`, and the weights of attention (texts, beams, source steps)."""
        states = tf.nest.map_structure(
            lambda tensor: tf.gather(tensor, origins, batch_dims=1), held["states"]
        )
        known = tf.where(tokens < self.ids, tokens, UNKNOWN)
        parts = [
            encoder_decoder.decode(layers, known, Memory(*memory), own, one_step=True)
            for layers, memory, own in zip(self.layers, held["memories"], states, strict=True)
        ]
        outputs = tf.add_n([part[0] for part in parts]) / len(parts)
        weights = tf.add_n([part[1] for part in parts]) / len(parts)
        if "copies" in held:
            outputs = tf.concat([outputs, weights], 2)
            logs = pointer.log_probabilities(outputs, self.ids, held["copies"], extended)
        else:
            logs = tf.nn.log_softmax(outputs[:, :, : self.ids])
        # Padding and unknown tokens are never written.
        logs = tf.concat(
            [tf.fill([*tf.unstack(tf.shape(tokens)), END], _NEVER), logs[:, :, END:]], 2
        )
        never = tf.fill([tf.shape(forbidden)[0]], _NEVER)
        logs = tf.tensor_scatter_nd_update(logs, forbidden, never)
        likeliest = tf.math.top_k(logs, tf.minimum(tf.shape(tokens)[1] + 1, tf.shape(logs)[2]))
        return *likeliest, [part[2] for part in parts], weights


def _encoder(network: keras.Model, layers: dict[str, Any]) -> keras.Model:
    """Returns the part of a network that reads: source -> outputs, keys, and the decoder's first
    states."""
    starts = [layer.output for own in encoder_decoder.starts_of(layers) for layer in own]
    keys = layers["keys"]
    return keras.Model(network.input["source"], [keys.input, keys.output, *starts])
