"""A small task of text classification in the current folder."""

from tests.kinds.fixtures import of_task
from tests.kinds.text_classification.project import write_project

project, trained_once, classified = of_task(write_project)
