"""The stages of the pipeline: one module for each stage of `dvc.yaml`, run as `python -m
stages.NAME TASK`."""

from stages import arithmetic, watch

watch.begin()
arithmetic.begin()
