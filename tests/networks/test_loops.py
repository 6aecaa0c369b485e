"""Products in compiled loops: none adds up more numbers than every processor does in one piece."""

import ast
from pathlib import Path

import numpy as np
import pytest

from stages.networks import loops
from stages.networks.backend import tf
from tests.conftest import ROOT

PRODUCTS = {"matmul", "tensordot", "einsum", "batch_matmul"}


@pytest.mark.parametrize("inner", [1, 399, 400, 401, 800, 801, 1300])
def test_a_product_is_cut_into_short_sums(inner: int) -> None:
    rng = np.random.default_rng(inner)
    left = rng.normal(size=(2, 3, inner)).astype("float32")
    right = rng.normal(size=(inner, 5)).astype("float32")

    @tf.function
    def product(left: tf.Tensor, right: tf.Tensor) -> tf.Tensor:
        return loops._product(left, loops._pieces(right))

    np.testing.assert_allclose(product(left, right), left @ right, rtol=1e-4, atol=1e-4)
    operations = product.get_concrete_function(left, right).graph.get_operations()
    sums = [int(entry.inputs[1].shape[0]) for entry in operations if entry.type == "MatMul"]
    assert sum(sums) == inner
    assert len(sums) == -(-inner // 400)
    assert max(sums) <= 400


def test_compiled_functions_multiply_in_that_way_alone() -> None:
    files = (ROOT / "stages").rglob("*.py")
    compiled = [path for path in files if "jit_compile=True" in path.read_text()]
    assert ROOT / "stages/networks/loops.py" in compiled
    for path in compiled:
        # What a Keras layer multiplies by itself is outside of what is compiled here.
        assert set(multiplying(path)) <= {"_product", "call"}, path


def multiplying(path: Path) -> list[str]:
    """Returns the functions of a file that multiply matrices."""
    return [
        function.name
        for function in ast.walk(ast.parse(path.read_text()))
        if isinstance(function, ast.FunctionDef)
        for node in ast.walk(function)
        if (isinstance(node, ast.Attribute) and node.attr in PRODUCTS)
        or (isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult))
    ]
