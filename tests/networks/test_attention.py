"""Attention against loops over its definitions."""

import numpy as np
import pytest

from stages.networks import attention
from stages.networks.attention import Form, Memory

BATCH, STEPS, SOURCE, UNITS, FEATURES = 2, 3, 4, 5, 6


@pytest.mark.parametrize("form", ["multiplicative", "additive"])
@pytest.mark.parametrize("coverage", [False, True])
def test_weights_and_context_are_those_of_the_formulas(form: Form, coverage: bool) -> None:
    rng = np.random.default_rng(0)
    queries = rng.normal(size=(BATCH, STEPS, UNITS)).astype(np.float32)
    outputs = rng.normal(size=(BATCH, SOURCE, FEATURES)).astype(np.float32)
    keys = rng.normal(size=(BATCH, SOURCE, UNITS)).astype(np.float32)
    covered = rng.random((BATCH, STEPS, SOURCE)).astype(np.float32)
    lengths = [4, 2]
    mask = np.arange(SOURCE) < np.array(lengths)[:, None]
    layers = attention.create(form, UNITS, coverage=coverage)
    seen = covered if coverage else None
    context, weights = attention.attend(layers, queries, Memory(outputs, keys, mask), seen)
    kernels = {name: layer.get_weights() for name, layer in layers.items()}
    for row, length in enumerate(lengths):
        for step in range(STEPS):
            energies = []
            for place in range(length):
                key, added = keys[row, place], 0.0
                if coverage:
                    added = covered[row, step, place] * kernels["coverage"][0][0]
                if form == "additive":
                    kernel, bias = kernels["query"]
                    inner = np.tanh(queries[row, step] @ kernel + bias + key + added)
                    energies.append((inner @ kernels["energy"][0])[0])
                else:
                    energies.append(queries[row, step] @ key + np.sum(added))
            shares = np.exp(energies) / np.exp(energies).sum()
            np.testing.assert_allclose(weights[row, step, :length], shares, rtol=1e-4)
            np.testing.assert_array_equal(weights[row, step, length:], 0)
            expected = sum(share * outputs[row, place] for place, share in enumerate(shares))
            np.testing.assert_allclose(context[row, step], expected, rtol=1e-3, atol=1e-5)
