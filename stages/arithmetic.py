"""One arithmetic for all that is computed: which instructions the libraries use, and how many
threads share a sum.

A sum of floating-point numbers depends on its order, which follows the width of the vectors and the
number of threads, and on whether a product is rounded before it is added. Libraries decide all that
by the processor that they find and by variables of the environment. Here they are held to AVX2 and
FMA, which Intel's processors have had since 2013 and AMD's since 2015, and to one thread a sum: so
the same inputs give the same bytes on all of these.

Libraries read their variables when they are imported, so that the package `stages` sets them before
anything else.
"""

import logging
import os
import platform
import sys
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from itertools import takewhile
from pathlib import Path
from typing import Literal

from stages.errors import InputError

log = logging.getLogger("reprise")

# portable: the same bytes on every processor that `exact` admits. native: networks with the fastest
# instructions of this processor, and other bytes on another one.
Arithmetic = Literal["portable", "native"]
# The vector instructions that libraries choose by.
_VECTOR = ("avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "avx512_fp16", "amx_tile")

# Eigen's matrix products in place of YNNPACK's, which chooses its instructions itself.
_XLA = "--xla_cpu_experimental_ynn_fusion_type="
_ALWAYS = {
    "OPENBLAS_NUM_THREADS": "1",
    # The shards of a batch run side by side, one core each. An operation that is split over threads
    # as well would only wait; with one thread its result does not depend on how many cores there
    # are.
    "TF_NUM_INTRAOP_THREADS": "1",
    # Off by default on processors without AVX512-VNNI, where it makes the recurrent matrix products
    # up to twice as fast.
    "TF_ENABLE_ONEDNN_OPTS": "1",
}
_AVX2 = {
    # NumPy's exp, tanh and sorting exist in several forms.
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",
    # The matrix products of NumPy and SciPy.
    "OPENBLAS_CORETYPE": "Haswell",
    "ARROW_USER_SIMD_LEVEL": "AVX2",
}
_OF: dict[Arithmetic, dict[str, str]] = {
    "portable": {
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "XLA_FLAGS": f"{_XLA} --xla_cpu_max_isa=AVX2 --xla_cpu_prefer_vector_width=256",
    },
    "native": {
        "ONEDNN_MAX_CPU_ISA": "ALL",
        "XLA_FLAGS": f"{_XLA} --xla_cpu_prefer_vector_width=512",
    },
}
# Older names of the same settings, what excludes one of them, and what chooses other kernels, other
# operations or coarser products.
_REMOVED = (
    "NPY_ENABLE_CPU_FEATURES",
    "DNNL_MAX_CPU_ISA",
    "DNNL_DEFAULT_FPMATH_MODE",
    "ONEDNN_DEFAULT_FPMATH_MODE",
    "TENSORFLOW_USE_CUSTOM_CONTRACTION_KERNEL",
    "TF_SET_ONEDNN_FPMATH_MODE",
    "TF_XLA_FLAGS",
)
VARIABLES = (*_ALWAYS, *_AVX2, *_OF["portable"], *_REMOVED)
_overruled: list[str] = []


@dataclass(frozen=True)
class Processor:
    """What decides which bytes a processor gives. `family` and `model` are the vendor's numbers of
    its design; `features` are its vector instructions."""

    vendor: str
    family: int
    model: int
    features: tuple[str, ...]

    def __str__(self) -> str:
        design = f" family {self.family} model {self.model}" if self.family else ""
        return f"{self.vendor}{design} ({' '.join(self.features) or 'no AVX2'})"

    @property
    def exact(self) -> bool:
        """Whether the portable arithmetic gives the bytes here that it gives everywhere."""
        return {"avx2", "fma"} <= {*self.features}


def begin() -> None:
    """Sets the variables of the portable arithmetic, as early as `stages` is imported."""
    wanted = _ALWAYS | _networks("portable")
    if processor().exact:
        wanted |= _AVX2
    _overruled.extend(name for name in wanted if os.environ.get(name, wanted[name]) != wanted[name])
    _overruled.extend(name for name in _REMOVED if os.environ.pop(name, None) is not None)
    os.environ.update(wanted)


def use(arithmetic: Arithmetic) -> None:
    """Sets the variables of `arithmetic` for the networks of this process, before TensorFlow is
    imported."""
    wanted = _networks(arithmetic)
    if "tensorflow" in sys.modules and any(os.environ[name] != wanted[name] for name in wanted):
        raise RuntimeError("TensorFlow was imported before, and has read its variables")
    os.environ.update(wanted)


def _networks(arithmetic: Arithmetic) -> dict[str, str]:
    return _OF[arithmetic if processor().exact else "native"]


def report() -> None:
    """Logs what of the environment is overruled, and where results are not those of all processors.

    Raises `InputError` for a setting that has worked already, before Python began.
    """
    tunables = os.environ.get("GLIBC_TUNABLES", "")
    if "hwcaps" in tunables:
        raise InputError(
            "the variable GLIBC_TUNABLES: expected none that hides instructions of the processor, "
            f"as it would change results, received {tunables!r}: unset it"
        )
    if _overruled:
        log.warning(
            "overruled, as results would depend on it: the variable%s %s",
            "s" * (len(_overruled) > 1),
            ", ".join(_overruled),
        )
    if not processor().exact:
        log.warning(
            "expected Linux on an x86-64 processor with AVX2 and FMA, found %s: results agree with "
            "those of dvc.lock within the tolerance of `make verify`, not to the byte",
            processor(),
        )


def signature(arithmetic: Arithmetic) -> str:
    """Returns what two trainings must share to give the same bytes."""
    here = processor()
    return arithmetic if arithmetic == "portable" and here.exact else f"{arithmetic} on {here}"


@cache
def processor() -> Processor:
    """Returns the processor of this machine, without features where Linux does not tell."""
    about = {"vendor_id": f"{platform.system()} {platform.machine()}", "flags": ""}
    if about["vendor_id"] == "Linux x86_64":
        with suppress(OSError), Path("/proc/cpuinfo").open(encoding="utf-8") as lines:
            for line in takewhile(str.strip, lines):  # the first core stands for all
                key, _, value = line.partition(":")
                about[key.strip()] = value.strip()
    return Processor(
        about["vendor_id"],
        int(about.get("cpu family", 0)),
        int(about.get("model", 0)),
        tuple(name for name in _VECTOR if name in about["flags"].split()),
    )
