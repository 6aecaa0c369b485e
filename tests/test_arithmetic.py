"""One arithmetic, whatever the processor and the environment: each setting that would change it
does so without Reprise, and not with it."""

import logging
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from stages import arithmetic
from stages.arithmetic import Processor
from tests.conftest import ROOT, Run

# What is computed, by the library that does it: long enough to be shared by threads and cut into
# pieces. With an argument the package `stages` is imported first, as in every stage.
COMPUTE = """
import hashlib, sys
if sys.argv[2:]:
    import stages
import numpy as np

def digest(array):
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()[:12]

rng = np.random.default_rng(1)
x = rng.standard_normal((3000, 40))

def numpy():
    return digest(np.exp(x.astype("float32"))) + digest(np.tanh(x))

def openblas():
    import scipy.linalg
    fitted = scipy.linalg.lstsq(x[:, 1:], x[:, 0])[0]
    return digest(x.ravel() @ x.ravel()) + digest(x.T @ x[:, 0]) + digest(fitted)

def arrow():
    import pyarrow, pyarrow.compute
    array = pyarrow.array(x.ravel())
    of = pyarrow.compute
    return "".join(digest(f(array).as_py()) for f in (of.sum, of.mean, of.variance))

def tensorflow():
    import tensorflow as tf
    a = tf.constant(rng.standard_normal((300, 500), dtype="float32"))
    product = tf.function(lambda a: tf.matmul(tf.tanh(a), a, transpose_b=True))
    compiled = tf.function(product.python_function, jit_compile=True)
    wide = tf.constant(rng.standard_normal((3000, 4000), dtype="float32"))
    # An operation that TensorFlow's threads share.
    shared = tf.function(lambda a: tf.reduce_sum(a))
    return "".join(digest(value.numpy()) for value in (product(a), compiled(a), shared(wide)))

print(globals()[sys.argv[1]]())
"""
# What changes results on some processor: the library, the variable, and two of its values (None: it
# is not set).
SETTINGS = [
    ("numpy", "NPY_DISABLE_CPU_FEATURES", "X86_V3 X86_V4 AVX512_ICL AVX512_SPR", None),
    ("openblas", "OPENBLAS_CORETYPE", "Nehalem", None),
    ("openblas", "OPENBLAS_NUM_THREADS", "2", "1"),
    ("openblas", "OMP_NUM_THREADS", "2", "1"),
    ("arrow", "ARROW_USER_SIMD_LEVEL", "NONE", "AVX2"),
    ("tensorflow", "XLA_FLAGS", "--xla_cpu_max_isa=SSE4_2", None),
    ("tensorflow", "ONEDNN_MAX_CPU_ISA", "SSE41", None),
    ("tensorflow", "DNNL_MAX_CPU_ISA", "SSE41", None),
    ("tensorflow", "TF_ENABLE_ONEDNN_OPTS", "0", "1"),
    ("tensorflow", "TENSORFLOW_USE_CUSTOM_CONTRACTION_KERNEL", "0", None),
    ("tensorflow", "TF_NUM_INTRAOP_THREADS", "3", "1"),
]
LIBRARIES = sorted({library for library, *_ in SETTINGS})
# Arrow's sums are the same at each of its levels today.
SEEN = [setting for setting in SETTINGS if setting[0] != "arrow"]
# OpenBLAS starts no more threads than there are cores.
THREADS = [("OPENBLAS_NUM_THREADS", 1), ("OMP_NUM_THREADS", 1)]


def computed(library: str, variables: dict[str, str], *, held: bool) -> str:
    own = (*arithmetic.VARIABLES, *(name for _, name, *_ in SETTINGS))
    environment = {name: value for name, value in os.environ.items() if name not in own}
    done = subprocess.run(
        [sys.executable, "-c", COMPUTE, library, *["held"] * held],
        cwd=ROOT,
        env={**environment, "TF_CPP_MIN_LOG_LEVEL": "3", **variables},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("library", LIBRARIES)
def test_no_setting_of_the_environment_changes_what_is_computed(library: str) -> None:
    variables = {name: value for of, name, value, _ in SETTINGS if of == library}
    assert computed(library, variables, held=True) == computed(library, {}, held=True)


@pytest.mark.slow
@pytest.mark.parametrize(("library", "name", "value", "usual"), SEEN)
def test_each_setting_would_change_it(
    library: str, name: str, value: str, usual: str | None
) -> None:
    if (name, os.cpu_count()) in THREADS:
        pytest.skip("one core has one thread")
    variables, others = {name: value}, {} if usual is None else {name: usual}
    assert computed(library, variables, held=False) != computed(library, others, held=False)
    assert computed(library, variables, held=True) == computed(library, {}, held=True)


def test_what_is_overruled_is_told(run: Run, tmp_path: Path) -> None:
    environment = {"PYTHONPATH": str(ROOT), "XLA_FLAGS": "--xla_x", "TF_XLA_FLAGS": "--tf_x"}
    done = run(tmp_path, "python", "-m", "stages.check", ok=False, **environment)
    assert (
        "overruled, as results would depend on it: the variables XLA_FLAGS, TF_XLA_FLAGS\n"
        in done.stderr
    )
    # Its children inherit what was set, and have nothing to tell.
    done = run(tmp_path, "python", "-m", "stages.check", ok=False, PYTHONPATH=str(ROOT))
    assert "overruled" not in done.stderr


def test_a_setting_that_has_worked_before_python_began_is_refused(run: Run, tmp_path: Path) -> None:
    variables = {"PYTHONPATH": str(ROOT), "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2"}
    done = run(tmp_path, "python", "-m", "stages.check", ok=False, **variables)
    assert re.fullmatch(r"error: the variable GLIBC_TUNABLES: expected [^\n]*\n", done.stderr)


OLD = Processor("GenuineIntel", 6, 58, ())
NEW = Processor("GenuineIntel", 6, 143, ("avx2", "fma", "avx512f"))


def test_a_training_is_resumed_only_by_the_same_arithmetic(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    signatures = []
    for processor in (NEW, Processor("AuthenticAMD", 25, 1, ("avx2", "fma")), OLD):
        monkeypatch.setattr(arithmetic, "processor", lambda processor=processor: processor)
        signatures.append([arithmetic.signature("portable"), arithmetic.signature("native")])
    (new, new_native), (amd, amd_native), (old, old_native) = signatures
    assert new == amd
    assert len({new, new_native, amd_native, old, old_native}) == 5


def test_a_processor_without_avx2_is_told_what_to_expect(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(arithmetic, "processor", lambda: OLD)
    monkeypatch.setattr(arithmetic, "_overruled", [])
    for name in arithmetic.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    arithmetic.begin()
    # The instructions are not there.
    assert "OPENBLAS_CORETYPE" not in os.environ
    assert "AVX2" not in os.environ["XLA_FLAGS"]
    with caplog.at_level(logging.WARNING, "reprise"):
        arithmetic.report()
    assert "found GenuineIntel family 6 model 58 (no AVX2)" in caplog.text
    assert "within the tolerance of `make verify`, not to the byte" in caplog.text


def test_native_comes_too_late_after_tensorflow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorflow", sys)
    arithmetic.use("portable")  # as it is already
    with pytest.raises(RuntimeError, match="imported before"):
        arithmetic.use("native")


def test_native_takes_what_the_machine_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
    for name in ("XLA_FLAGS", "ONEDNN_MAX_CPU_ISA"):
        monkeypatch.setenv(name, os.environ[name])
    arithmetic.use("native")
    assert "max_isa" not in os.environ["XLA_FLAGS"]
    assert os.environ["ONEDNN_MAX_CPU_ISA"] == "ALL"
