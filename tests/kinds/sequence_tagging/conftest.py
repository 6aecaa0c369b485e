"""A small tagger in the current folder."""

from tests.kinds.fixtures import of_task
from tests.kinds.sequence_tagging.project import write_project

project, trained_once, trained = of_task(write_project)
