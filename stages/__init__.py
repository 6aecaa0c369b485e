"""The stages of the pipeline: one module a stage of `dvc.yaml`, run as `python -m stages.NAME
TASK`."""
