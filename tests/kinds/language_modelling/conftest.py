"""A small language model in the current folder."""

from tests.kinds.fixtures import of_task
from tests.kinds.language_modelling.project import write_project

project, trained_once, trained = of_task(write_project)
